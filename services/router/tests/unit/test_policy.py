from __future__ import annotations

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from google.protobuf import any_pb2, duration_pb2
from kea_core.policy import Binding, Policy
from kea_router.domain.invokers import EndpointInvokers, Invokers
from kea_router.translate.packing import packed
from kea_router.translate.policy import (
    RBAC_FILTER,
    PolicyMissingError,
    anyone_policy,
    check_policies,
    invokers_policy,
    route_configuration,
)


def route(policy: any_pb2.Any | None = None) -> route_components_pb2.Route:
    return route_components_pb2.Route(name="a", typed_per_filter_config={RBAC_FILTER: policy} if policy else {})


@pytest.mark.parametrize("policy", [invokers_policy(EndpointInvokers()), anyone_policy()])
def test_a_policy_holds_for_all_routes(policy: any_pb2.Any) -> None:
    (host,) = route_configuration("r", [route(), route()], policy).virtual_hosts
    assert (list(host.domains), host.typed_per_filter_config[RBAC_FILTER]) == (["*"], policy)


NONE = [
    packed(rbac_pb2.RBACPerRoute()),
    packed(rbac_pb2.RBACPerRoute(rbac=rbac_pb2.RBAC())),
    packed(duration_pb2.Duration()),
]


@pytest.mark.parametrize("policy", NONE, ids=["switched off", "without rules", "of another type"])
def test_what_is_no_policy_is_refused(policy: any_pb2.Any) -> None:
    with pytest.raises(PolicyMissingError, match="no policy"):
        route_configuration("r", [route()], policy)


@pytest.mark.parametrize("policy", [*NONE, anyone_policy()])
def test_no_route_has_a_policy_of_its_own(policy: any_pb2.Any) -> None:
    with pytest.raises(PolicyMissingError, match="no policy"):
        route_configuration("r", [route(), route(policy)], anyone_policy())


def test_routes_that_were_left_without_a_policy_are_found() -> None:
    host = route_components_pb2.VirtualHost(name="all", domains=["*"], routes=[route()])
    with pytest.raises(PolicyMissingError, match="no policy"):
        check_policies(route_pb2.RouteConfiguration(name="r", virtual_hosts=[host]))


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
