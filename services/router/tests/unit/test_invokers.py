from __future__ import annotations

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


@given(POLICIES, POLICIES)
def test_every_endpoint_that_others_may_call_lies_under_what_differs(one: Policy, other: Policy) -> None:
    before, after = Invokers(one), Invokers(other)
    differing = after.differing(before)
    assert differing == before.differing(after)
    for endpoint in ENDPOINTS:
        if before.of(endpoint) != after.of(endpoint):
            assert any(is_under(endpoint, resource) for resource in differing)


def test_a_change_differs_only_where_it_is() -> None:
    def differing(binding: Binding) -> set[str]:
        bindings = {"a": Binding("users/ada", "consumer", "projects/p")}
        return Invokers(Policy(bindings={**bindings, "b": binding})).differing(Invokers(Policy(bindings=bindings)))

    endpoint = ENDPOINTS[0]
    for resource in (PLATFORM, "projects/pp", endpoint):
        assert differing(Binding("users/bob", "consumer", resource)) == {resource}
    assert differing(Binding("users/bob", "consumer", f"{endpoint}/methods/m")) == {endpoint}
    assert differing(Binding("users/bob", "viewer", "projects/p")) == set()  # it lets nobody call
    assert differing(Binding("users/ada", "engineer", "projects/p")) == set()  # who may already
