from __future__ import annotations

import pytest
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from google.protobuf import any_pb2, duration_pb2
from kea_router.translate.policy import (
    RBAC_FILTER,
    PolicyMissingError,
    anyone_policy,
    packed,
    roles_policy,
    route_configuration,
)


def route(name: str, policy: any_pb2.Any | None) -> route_components_pb2.Route:
    return route_components_pb2.Route(name=name, typed_per_filter_config={RBAC_FILTER: policy} if policy else {})


@pytest.mark.parametrize("policy", [roles_policy(["admin"]), anyone_policy()])
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


def test_roles_are_told_in_one_order() -> None:
    assert roles_policy(["b", "a", "b"]) == roles_policy(["a", "b"])
    assert roles_policy(["a"]) != roles_policy(["b"])
