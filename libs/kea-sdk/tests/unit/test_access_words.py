from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_sdk import InvalidArgument
from kea_sdk.access_words import ALL_OF, VERBS, Question, question, verb_help

INVOKE = "router.endpoints.invoke"


@pytest.mark.parametrize(
    ("verb", "on", "permission", "resource"),
    [
        ("call", "iris", INVOKE, "projects/lab/endpoints/iris"),
        ("call", "iris/get_grades", INVOKE, "projects/lab/endpoints/iris/methods/get_grades"),
        ("call", "project", INVOKE, "projects/lab"),
        ("call", "endpoints", INVOKE, "projects/lab"),
        ("call", "platform", INVOKE, ""),
        ("get", "models/iris", "registry.models.get", "projects/lab/models/iris"),
        ("get", "models/iris/versions/3", "registry.modelVersions.get", "projects/lab/models/iris/versions/3"),
        ("push", "models/iris", "registry.modelVersions.create", "projects/lab/models/iris"),
        ("push", "models", "registry.modelVersions.create", "projects/lab"),
        ("list", "endpoints", "router.endpoints.list", "projects/lab"),
        ("list", "accounts", "auth.serviceAccounts.list", ""),
        ("update", "iris", "router.endpoints.update", "projects/lab/endpoints/iris"),
        ("delete", "deployments", "deployer.deployments.delete", "projects/lab"),
        ("logs", "deployments/iris-v1", "deployer.deployments.logs", "projects/lab/deployments/iris-v1"),
        ("bind", "projects/other", "auth.bindings.create", "projects/other"),
        ("unbind", "platform", "auth.bindings.delete", ""),
        (INVOKE, "iris", INVOKE, "projects/lab/endpoints/iris"),
        ("auth.auditEvents.search", "platform", "auth.auditEvents.search", ""),
    ],
)
def test_a_verb_and_what_it_is_done_to_are_a_permission(verb: str, on: str, permission: str, resource: str) -> None:
    assert question(verb, on, "lab") == Question(permission, resource)


@pytest.mark.parametrize(
    ("on", "resource"),
    [
        ("models/iris", "projects/lab"),
        ("iris", "projects/lab"),
        ("models", "projects/lab"),
        ("roles/teacher", ""),
        ("serviceAccounts/ci", ""),
        ("accounts", ""),
    ],
)
def test_what_is_not_there_yet_is_made_in_what_it_will_lie_under(on: str, resource: str) -> None:
    assert question("create", on, "lab").resource == resource


@pytest.mark.parametrize(
    ("verb", "on", "problem"),
    [
        ("fly", "iris", "'fly' is neither a verb (call, get, list, "),
        ("push", "iris", "push does not go with 'iris' (endpoint); push: model"),
        ("list", "models/iris", "list does not go with 'models/iris' (model); list: models, "),
        ("router.endpoints", "iris", "'router.endpoints' is no permission; expected service.resource.verb"),
        ("router.endpoints.*", "iris", "'router.endpoints.*' is no permission"),
        ("call", "Iris", "'Iris' names no resource"),
    ],
)
def test_what_means_nothing_is_refused(verb: str, on: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        question(verb, on, "lab")
    assert problem in str(caught.value)


@given(verb=st.sampled_from(sorted(VERBS)), on=st.sampled_from(sorted(ALL_OF)))
def test_a_verb_goes_with_all_there_are_of_what_it_goes_with(verb: str, on: str) -> None:
    kind, _ = ALL_OF[on]
    if kind in VERBS[verb]:
        assert question(verb, on, "lab").permission == VERBS[verb][kind]
    else:
        with pytest.raises(InvalidArgument, match="does not go with"):
            question(verb, on, "lab")


def test_every_verb_is_explained() -> None:
    assert verb_help("call") == "call: platform, project, endpoint, method"
    assert verb_help("list") == "list: models, deployments, endpoints, builds, bindings, accounts"
