from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_sdk import InvalidArgument
from kea_sdk.access_names import (
    BINDABLE,
    RESERVED,
    Kind,
    Resource,
    account_id,
    bindable,
    member,
    member_text,
    resource_text,
    role_id,
    subject,
)
from kea_sdk.reference import ID

IDS = st.from_regex(ID, fullmatch=True) | st.sampled_from(sorted(RESERVED - {"serviceAccounts"}))
METHODS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,127}", fullmatch=True) | st.sampled_from(sorted(RESERVED))
USERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}", fullmatch=True)
GROUPS = st.from_regex(r"[!-~]([ -~]{0,198}[!-~])?", fullmatch=True)
MEMBERS = st.one_of(
    st.just("everyone"),
    USERS.map(lambda name: f"users/{name}"),
    GROUPS.map(lambda name: f"groups/{name}"),
    IDS.map(lambda name: f"serviceAccounts/{name}"),
)
PROJECTS = IDS.map(lambda name: f"projects/{name}")
BINDABLE_NAMES = st.one_of(
    st.just(""),
    PROJECTS,
    st.builds("{}/models/{}".format, PROJECTS, IDS),
    st.builds("{}/deployments/{}".format, PROJECTS, IDS),
    st.builds("{}/endpoints/{}".format, PROJECTS, IDS),
    st.builds("{}/endpoints/{}/methods/{}".format, PROJECTS, IDS, METHODS),
)
NAMES = BINDABLE_NAMES | st.one_of(
    st.builds("{}/models/{}/versions/{}".format, PROJECTS, IDS, st.integers(1, 10**18 - 1)),
    st.builds("{}/builds/{}".format, PROJECTS, IDS),
    IDS.map(lambda name: f"roles/{name}"),
    IDS.map(lambda name: f"serviceAccounts/{name}"),
)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("platform", Kind.PLATFORM, ""),
        ("project", Kind.PROJECT, "projects/lab"),
        ("projects/other", Kind.PROJECT, "projects/other"),
        ("models/iris", Kind.MODEL, "projects/lab/models/iris"),
        ("models/iris/versions/3", Kind.VERSION, "projects/lab/models/iris/versions/3"),
        ("deployments/iris-v3", Kind.DEPLOYMENT, "projects/lab/deployments/iris-v3"),
        ("builds/b1", Kind.BUILD, "projects/lab/builds/b1"),
        ("iris", Kind.ENDPOINT, "projects/lab/endpoints/iris"),
        ("endpoints/iris", Kind.ENDPOINT, "projects/lab/endpoints/iris"),
        ("endpoints/models", Kind.ENDPOINT, "projects/lab/endpoints/models"),
        ("iris/get_grades", Kind.METHOD, "projects/lab/endpoints/iris/methods/get_grades"),
        ("endpoints/iris/methods/m", Kind.METHOD, "projects/lab/endpoints/iris/methods/m"),
        ("projects/other/endpoints/iris/methods/m", Kind.METHOD, "projects/other/endpoints/iris/methods/m"),
        ("serviceAccounts/ci", Kind.ACCOUNT, "serviceAccounts/ci"),
        ("roles/teacher", Kind.ROLE, "roles/teacher"),
    ],
)
def test_a_resource_has_a_short_name_within_the_project(text: str, kind: Kind, name: str) -> None:
    assert Resource.parse(text, "lab") == Resource(kind, name)


NO_RESOURCES = [
    *("", "/", "Iris", "iris/", "/iris", "iris/a/b", "iris/get-grades", "models", "models/", "models/Iris", "iris\n"),
    *("models/iris/versions/0", "models/iris/get", "endpoints/iris/m", "projects/p/x/y", "projects/p/", " iris"),
    *("iris:3", "accounts", "accounts/ci", "i" * 64, "iris/" + "m" * 129, "projects", "roles", "platform/x"),
    "project/x",
]


@pytest.mark.parametrize("text", NO_RESOURCES)
def test_what_is_no_resource_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidArgument, match="names no resource; expected platform, project, models/MODEL") as caught:
        Resource.parse(text, "lab")
    assert "\n" not in str(caught.value)


@given(name=NAMES, project=IDS)
def test_what_a_resource_is_called_is_understood_again(name: str, project: str) -> None:
    text = resource_text(name, project)
    assert Resource.parse(text, project).name == name
    assert Resource.parse(name or "platform", project).text(project) == text


@given(name=BINDABLE_NAMES, project=IDS)
def test_a_role_can_be_given_on_these(name: str, project: str) -> None:
    assert bindable(resource_text(name, project), project) == name
    assert Resource.parse(name or "platform", project).kind in BINDABLE


@given(st.text())
def test_whatever_is_written_is_understood_or_refused(text: str) -> None:
    for read in (lambda: Resource.parse(text, "lab").name, lambda: member(text), lambda: subject(text)):
        try:
            found = read()
        except InvalidArgument as error:
            found = str(error)
        assert len(found.splitlines()) <= 1


def test_short_names_are_those_that_people_would_write() -> None:
    names = ["", "projects/lab", "projects/lab/models/iris", "projects/lab/endpoints/iris", "projects/p/endpoints/iris"]
    assert [resource_text(name, "lab") for name in names] == [
        *("platform", "projects/lab", "models/iris", "endpoints/iris", "projects/p/endpoints/iris")
    ]
    assert resource_text("projects/lab/endpoints/iris/methods/m", "lab") == "iris/m"
    assert resource_text("projects/lab/endpoints/models/methods/m", "lab") == "endpoints/models/methods/m"


@pytest.mark.parametrize("text", ["models/iris/versions/3", "builds/b1", "roles/teacher", "serviceAccounts/ci"])
def test_no_role_can_be_given_on_other_things(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"no role can be given on .*; expected one of platform, project, "):
        bindable(text, "lab")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("user:ada", "users/ada"),
        ("users/ada", "users/ada"),
        ("user:ada@school.example", "users/ada@school.example"),
        ("group:Teachers", "groups/Teachers"),
        ("group:cn=All staff,ou=x/y", "groups/cn=All staff,ou=x/y"),
        ("groups/user:x", "groups/user:x"),
        ("account:ci", "serviceAccounts/ci"),
        ("everyone", "everyone"),
    ],
)
def test_a_member_says_whose_name_it_is(text: str, name: str) -> None:
    assert member(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "ada", "user:", "users/", "user:a b", "user:-a", "account:CI", "group: x", "group:x ", "Everyone", "admin\n"],
)
def test_a_name_alone_is_no_member(text: str) -> None:
    with pytest.raises(InvalidArgument, match="names no member; expected user:NAME, group:NAME, account:NAME or every"):
        member(text)


@given(MEMBERS)
def test_what_a_member_is_called_is_understood_again(name: str) -> None:
    assert member(member_text(name)) == member(name) == name


def test_only_users_and_accounts_are_somebody() -> None:
    assert [subject("user:ada"), subject("account:ci")] == ["users/ada", "serviceAccounts/ci"]
    for text in ("group:Teachers", "everyone", "ada", ""):
        with pytest.raises(InvalidArgument, match="names nobody; expected user:NAME or account:NAME"):
            subject(text)


def test_accounts_and_roles_are_named_by_their_ids() -> None:
    assert {account_id(text) for text in ("ci", "account:ci", "serviceAccounts/ci")} == {"ci"}
    assert {role_id(text) for text in ("consumer", "roles/consumer")} == {"consumer"}
    for text in ("CI", "user:ci", "account:", "", "account:account:ci"):
        with pytest.raises(InvalidArgument, match="names no service account; expected for example ci"):
            account_id(text)
    with pytest.raises(InvalidArgument, match="names no role; expected for example consumer"):
        role_id("Consumer")
