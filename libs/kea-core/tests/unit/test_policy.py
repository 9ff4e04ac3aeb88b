from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.permission import INVOKE
from kea_core.policy import ALL, PLATFORM, Binding, Policy, Visible, is_under, lineage
from kea_core.principal import Principal

ENDPOINT = "projects/default/endpoints/grades"
GET_GRADES = f"{ENDPOINT}/methods/get_grades"
SET_GRADES = f"{ENDPOINT}/methods/set_grades"
POLICY = Policy(
    roles={"caller": (INVOKE,)},
    bindings={
        "bindings/1": Binding("groups/Students", "caller", GET_GRADES, "bindings/1"),
        "bindings/2": Binding("groups/Teachers", "consumer", ENDPOINT, "bindings/2"),
        "bindings/3": Binding("users/ada", "engineer", "projects/default", "bindings/3"),
        "bindings/4": Binding("serviceAccounts/ci", "unheard-of", PLATFORM, "bindings/4"),
        "bindings/5": Binding("everyone", "consumer", "projects/demo", "bindings/5"),
    },
)
ADA, ADMIN = Principal("users/ada"), Principal("users/admin")
STUDENT = Principal("users/bob", frozenset({"Students"}))
TEACHER = Principal("users/eve", frozenset({"Teachers", "Staff"}))
NOBODY = Principal("users/nobody")


@pytest.mark.parametrize(
    ("caller", "permission", "resource", "allowed"),
    [
        (STUDENT, INVOKE, GET_GRADES, True),
        (STUDENT, INVOKE, SET_GRADES, False),
        (STUDENT, INVOKE, ENDPOINT, False),
        (TEACHER, INVOKE, GET_GRADES, True),
        (TEACHER, INVOKE, SET_GRADES, True),
        (TEACHER, "router.endpoints.update", ENDPOINT, False),
        (TEACHER, INVOKE, "projects/default/endpoints/grades-2", False),
        (ADA, "registry.models.create", "projects/default", True),
        (ADA, "registry.models.create", "projects/other", False),
        (ADA, "registry.models.get", PLATFORM, False),
        (Principal("serviceAccounts/ci"), INVOKE, ENDPOINT, False),
        (NOBODY, INVOKE, "projects/demo/endpoints/any", True),
        (NOBODY, INVOKE, ENDPOINT, False),
        (ADMIN, "auth.bindings.create", PLATFORM, True),
        (Principal("users/admin", scopes=("consumer",)), "auth.bindings.create", PLATFORM, False),
        (Principal("users/admin", scopes=("consumer",)), INVOKE, ENDPOINT, True),
        (Principal("users/admin", scopes=("unheard-of",)), INVOKE, ENDPOINT, False),
        (Principal("users/ada", scopes=("admin",)), "auth.bindings.create", PLATFORM, False),
        (Principal("serviceAccounts/router"), "auth.policy.watch", PLATFORM, True),
    ],
)
def test_decisions(caller: Principal, permission: str, resource: str, *, allowed: bool) -> None:
    assert POLICY.decide(caller, permission, resource).allowed is allowed
    if allowed:
        assert POLICY.anywhere(caller, permission)


def test_a_decision_tells_its_binding() -> None:
    assert POLICY.decide(STUDENT, INVOKE, GET_GRADES).binding == POLICY.bindings["bindings/1"]
    scoped = POLICY.decide(Principal("users/ada", scopes=("viewer",)), "registry.models.create", "projects/default")
    assert (scoped.allowed, scoped.binding) == (False, POLICY.bindings["bindings/3"])
    assert POLICY.decide(NOBODY, INVOKE, ENDPOINT).binding is None


def test_a_group_is_no_user_of_that_name() -> None:
    policy = Policy(bindings={"b": Binding("groups/users/ada", "admin")})
    assert not policy.decide(ADA, INVOKE).allowed
    assert not policy.decide(Principal("users/x", frozenset({"ada"})), INVOKE).allowed
    assert policy.decide(Principal("users/x", frozenset({"users/ada"})), INVOKE).allowed


def test_nobody_is_in_a_group_by_what_it_is_called() -> None:
    everyone = Policy(bindings={"b": Binding("groups/everyone", "admin")})
    assert not everyone.decide(NOBODY, INVOKE).allowed


def test_lists_show_what_may_be_seen() -> None:
    assert POLICY.visible(ADA, "router.endpoints.list", "projects/default") == ALL
    seen = POLICY.visible(TEACHER, "router.endpoints.list", "projects/default")
    assert seen == Visible(frozenset({ENDPOINT}))
    assert ENDPOINT in seen
    assert GET_GRADES in seen
    assert "projects/default/endpoints/iris" not in seen
    assert POLICY.visible(TEACHER, "router.endpoints.list", "projects/other").names == frozenset()
    # What lets call one method only does not show the endpoint: its role has no `list`.
    assert POLICY.visible(STUDENT, "router.endpoints.list", "projects/default").names == frozenset()
    scoped = Principal("users/eve", frozenset({"Teachers"}), scopes=("auditor",))
    assert POLICY.visible(scoped, "router.endpoints.list", "projects/default") == seen


@pytest.mark.parametrize(
    ("caller", "wanted", "resource", "may"),
    [
        (ADMIN, ("*.*.*",), PLATFORM, True),
        (Principal("users/admin", scopes=("engineer",)), ("*.*.*",), PLATFORM, False),
        (Principal("users/admin", scopes=("engineer",)), ("registry.*.get",), PLATFORM, True),
        (ADA, ("registry.models.create", "router.*.*"), "projects/default", True),
        (ADA, ("registry.models.create", "auth.*.*"), "projects/default", False),
        (ADA, ("registry.models.create",), PLATFORM, False),
        (NOBODY, (INVOKE,), PLATFORM, False),
        (NOBODY, (), PLATFORM, True),
    ],
)
def test_nobody_gives_what_they_have_not(
    caller: Principal, wanted: tuple[str, ...], resource: str, *, may: bool
) -> None:
    assert POLICY.may_give(caller, wanted, resource) is may


@pytest.mark.parametrize("revoked", ["token", "session", "account"])
def test_a_token_is_revoked_by_any_of_its_ids(revoked: str) -> None:
    caller = Principal("users/ada", token="token", session="session", account="account")
    assert Policy(revoked=frozenset({revoked})).is_revoked(caller)
    assert not Policy(revoked=frozenset({"another"})).is_revoked(caller)
    assert not Policy(revoked=frozenset({""})).is_revoked(NOBODY)


IDS = st.sampled_from(["a", "b", "aa"])
NAMES = st.lists(st.tuples(st.sampled_from(["projects", "endpoints"]), IDS), max_size=3).map(
    lambda pairs: "/".join(part for pair in pairs for part in pair)
)


@given(NAMES, NAMES)
def test_a_name_lies_under_those_it_begins_with(resource: str, other: str) -> None:
    begins = resource == other or not other or resource.startswith(f"{other}/")
    assert is_under(resource, other) is begins
    assert list(lineage(resource))[-1] == PLATFORM


BINDINGS = st.lists(
    st.builds(
        Binding,
        st.sampled_from(["users/ada", "groups/x", "groups/y", "everyone"]),
        st.sampled_from(["viewer", "consumer", "engineer", "custom"]),
        NAMES,
    ),
    max_size=5,
)
CALLERS = st.builds(
    Principal,
    st.sampled_from(["users/ada", "users/bob"]),
    st.frozensets(st.sampled_from(["x", "y"])),
    st.lists(st.sampled_from(["viewer", "consumer", "custom"]), max_size=2).map(tuple),
)
ASKED = st.sampled_from([INVOKE, "router.endpoints.list", "registry.models.create"])


@given(BINDINGS, CALLERS, ASKED, NAMES)
def test_more_bindings_allow_no_less_and_what_holds_above_holds_below(
    bindings: list[Binding], caller: Principal, permission: str, resource: str
) -> None:
    def policy(count: int) -> Policy:
        chosen = {f"bindings/{index}": binding for index, binding in enumerate(bindings[:count])}
        return Policy(roles={"custom": ("*.endpoints.*",)}, bindings=chosen)

    decisions = [policy(count).decide(caller, permission, resource).allowed for count in range(len(bindings) + 1)]
    assert decisions == sorted(decisions)
    whole = policy(len(bindings))
    if whole.decide(caller, permission, resource).allowed:
        assert whole.decide(caller, permission, f"{resource}/methods/m".lstrip("/")).allowed
        assert whole.visible(caller, permission, resource) == ALL
    for name in whole.visible(caller, permission, resource).names or ():
        assert whole.decide(caller, permission, name).allowed
