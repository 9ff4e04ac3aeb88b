from __future__ import annotations

import pytest
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from google.protobuf import any_pb2, duration_pb2
from kea_core.policy import Binding, Policy
from kea_router.domain.invokers import EndpointInvokers, Invokers
from kea_router.translate.policy import (
    RBAC_FILTER,
    PolicyMissingError,
    anyone_policy,
    invokers_policy,
    packed,
    route_configuration,
)


def route(name: str, policy: any_pb2.Any | None) -> route_components_pb2.Route:
    return route_components_pb2.Route(name=name, typed_per_filter_config={RBAC_FILTER: policy} if policy else {})


@pytest.mark.parametrize("policy", [invokers_policy(EndpointInvokers()), anyone_policy()])
def test_routes_with_a_policy_pass(policy: any_pb2.Any) -> None:
    assert route_configuration("r", [route("a", policy)]).virtual_hosts[0].domains == ["*"]


@pytest.mark.parametrize(
    "policy",
    [
        None,
        packed(rbac_pb2.RBACPerRoute()),
        packed(rbac_pb2.RBACPerRoute(rbac=rbac_pb2.RBAC())),
        packed(duration_pb2.Duration()),
    ],
    ids=["none", "switched off", "without rules", "of another type"],
)
def test_one_route_without_a_policy_is_enough_to_refuse_all(policy: any_pb2.Any | None) -> None:
    with pytest.raises(PolicyMissingError, match="'b' of r"):
        route_configuration("r", [route("a", anyone_policy()), route("b", policy)])


def test_an_endpoint_that_nobody_may_call_is_closed() -> None:
    rules = rbac_pb2.RBACPerRoute()
    assert invokers_policy(EndpointInvokers()).Unpack(rules)
    (policy,) = rules.rbac.rules.policies.values()
    assert [principal.not_id.any for principal in policy.principals] == [True]


def test_who_may_call_is_found_above_and_below() -> None:
    endpoint = "projects/p/endpoints/e"
    bindings = [
        Binding("groups/platform", "admin"),
        Binding("users/project", "consumer", "projects/p"),
        Binding("users/other-project", "consumer", "projects/q"),
        Binding("users/endpoint", "caller", endpoint),
        Binding("users/longer-name", "consumer", f"{endpoint}e"),
        Binding("users/looks", "viewer", endpoint),
        Binding("users/method", "consumer", f"{endpoint}/methods/m"),
        Binding("users/unheard-of", "unheard-of", endpoint),
    ]
    policy = Policy({"caller": ("router.*.invoke",)}, {str(number): each for number, each in enumerate(bindings)})
    found = Invokers(policy).of(endpoint)
    assert found.roles == ("admin", "caller", "consumer", "engineer")
    assert found.members == ("groups/platform", "users/admin", "users/endpoint", "users/project")
    assert found.of_methods == (("m", ("users/method",)),)
