from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from kea_core.permission import INVOKE
from kea_core.policy import EVERYONE, PLATFORM, Binding, Policy, is_under
from kea_core.principal import Principal
from kea_router.domain.invokers import EndpointInvokers, Invokers

ENDPOINTS = tuple(f"projects/{project}/endpoints/{name}" for project in ("p", "pp") for name in ("e", "ee"))
METHODS = ("m", "mm")
RESOURCES = (
    *(PLATFORM, "projects/p", "projects/pp", "projects/p/models/e", *ENDPOINTS),
    *(f"{endpoint}/methods/{method}" for endpoint in ENDPOINTS for method in METHODS),
)
GRANTS = st.sampled_from([(INVOKE,), ("*.endpoints.*",), ("router.endpoints.get",)])
BINDINGS = st.builds(
    Binding,
    st.sampled_from(["users/ada", "groups/x", "groups/users/ada", EVERYONE]),
    st.sampled_from(["viewer", "consumer", "engineer", "custom"]),
    st.sampled_from(RESOURCES),
)
POLICIES = st.builds(
    Policy,
    st.dictionaries(st.sampled_from(["custom", "unused"]), GRANTS),
    st.dictionaries(st.sampled_from([f"bindings/{number}" for number in range(6)]), BINDINGS),
)
CALLERS = st.builds(
    Principal,
    st.sampled_from(["users/ada", "users/bob", "users/admin"]),
    st.frozensets(st.sampled_from(["x", "users/ada"])),
    st.lists(st.sampled_from(["viewer", "consumer", "custom"]), max_size=2).map(tuple),
)


def lets_through(invokers: EndpointInvokers, caller: Principal, method: str) -> bool:
    """Decides as Envoy does by what is compiled of these."""
    members = {caller.subject, EVERYONE, *(f"groups/{group}" for group in caller.groups)}
    in_scope = not caller.scopes or not set(caller.scopes).isdisjoint(invokers.roles)
    called = dict(invokers.of_methods).get(method, ())
    return in_scope and not members.isdisjoint((*invokers.members, *called))


@given(POLICIES, CALLERS, st.sampled_from(ENDPOINTS), st.sampled_from(["", *METHODS]))
def test_who_may_call_is_who_the_policy_allows_it(
    policy: Policy, caller: Principal, endpoint: str, method: str
) -> None:
    resource = f"{endpoint}/methods/{method}" if method else endpoint
    allowed = policy.decide(caller, INVOKE, resource).allowed
    assert lets_through(Invokers(policy).of(endpoint), caller, method) is allowed


@given(st.lists(POLICIES, min_size=2, max_size=5))
def test_from_policy_to_policy_it_says_what_each_says_and_where_others_may_call(policies: list[Policy]) -> None:
    invokers = Invokers(policies[0])
    for before, after in pairwise(policies):
        differing = invokers.take(after)
        assert differing == Invokers(before).take(after)
        assert differing == Invokers(after).take(before)
        for endpoint in ENDPOINTS:
            assert invokers.of(endpoint) == Invokers(after).of(endpoint)
            if Invokers(before).of(endpoint) != Invokers(after).of(endpoint):
                assert any(is_under(endpoint, resource) for resource in differing)


def test_endpoints_that_inherit_only_share_what_is_said_of_them() -> None:
    bindings = {
        "a": Binding("users/ada", "consumer", "projects/p"),
        "b": Binding("users/bob", "consumer", f"{ENDPOINTS[0]}/methods/m"),
    }
    invokers = Invokers(Policy(bindings=bindings))
    for endpoint in ("projects/p/endpoints/x", "projects/p/endpoints/y"):
        assert invokers.of(endpoint) is invokers.of(ENDPOINTS[1])
    assert invokers.of(ENDPOINTS[0]) != invokers.of(ENDPOINTS[1])
    assert invokers.take(Policy(bindings={"b": bindings["b"]})) == {"projects/p"}
    assert "users/ada" not in invokers.of(ENDPOINTS[1]).members


def test_a_change_differs_only_where_it_is() -> None:
    def differing(binding: Binding) -> set[str]:
        bindings = {"a": Binding("users/ada", "consumer", "projects/p")}
        return Invokers(Policy(bindings=bindings)).take(Policy(bindings={**bindings, "b": binding}))

    endpoint = ENDPOINTS[0]
    for resource in (PLATFORM, "projects/pp", endpoint):
        assert differing(Binding("users/bob", "consumer", resource)) == {resource}
    assert differing(Binding("users/bob", "consumer", f"{endpoint}/methods/m")) == {endpoint}
    assert differing(Binding("users/bob", "viewer", "projects/p")) == set()  # it lets nobody call
    assert differing(Binding("users/ada", "engineer", "projects/p")) == set()  # who may already


def test_a_role_that_lets_nobody_call_differs_nowhere() -> None:
    bindings = {"a": Binding("users/ada", "custom", "projects/p")}
    before = Policy({}, bindings)
    assert Invokers(before).take(Policy({"custom": ("router.endpoints.get",)}, bindings)) == set()
    assert Invokers(before).take(Policy({"custom": (INVOKE,)}, bindings)) == {PLATFORM}
