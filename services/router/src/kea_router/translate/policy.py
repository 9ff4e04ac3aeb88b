"""Who may take a route: Envoy RBAC, set on every route by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.rbac.v3 import rbac_pb2 as policy_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2
from google.protobuf import any_pb2
from google.protobuf.message import Message

from kea_router.translate.names import CLAIMS, JWT_FILTER

RBAC_FILTER = "envoy.filters.http.rbac"


class PolicyMissingError(Exception):
    """A route without a policy: the base filter would let everybody through, so it must not be published."""

    def __init__(self, configuration: str, route: str) -> None:
        super().__init__(f"route {route!r} of {configuration} has no role policy")


def packed(message: Message) -> any_pb2.Any:
    """Returns a message as Any, serialized the same way each time."""
    made = any_pb2.Any()
    made.Pack(message, deterministic=True)
    return made


def roles_policy(roles: Iterable[str]) -> any_pb2.Any:
    """Returns the policy that lets through whose token carries one of the roles."""
    return _policy([_has_role(role) for role in sorted(set(roles))])


def anyone_policy() -> any_pb2.Any:
    """Returns the policy that lets everyone through whom the JWT filter has let through."""
    return _policy([policy_pb2.Principal(any=True)])


def _policy(principals: Sequence[policy_pb2.Principal]) -> any_pb2.Any:
    policy = policy_pb2.Policy(permissions=[policy_pb2.Permission(any=True)], principals=principals)
    rules = policy_pb2.RBAC(action=policy_pb2.RBAC.ALLOW, policies={"allowed": policy})
    return packed(rbac_pb2.RBACPerRoute(rbac=rbac_pb2.RBAC(rules=rules)))


def _has_role(role: str) -> policy_pb2.Principal:
    one = value_pb2.ListMatcher(one_of=value_pb2.ValueMatcher(string_match=string_pb2.StringMatcher(exact=role)))
    segments = [metadata_pb2.MetadataMatcher.PathSegment(key=key) for key in (CLAIMS, "roles")]
    matcher = metadata_pb2.MetadataMatcher(
        filter=JWT_FILTER, path=segments, value=value_pb2.ValueMatcher(list_match=one)
    )
    return policy_pb2.Principal(sourced_metadata=policy_pb2.SourcedMetadata(metadata_matcher=matcher))


def check_policies(configuration: route_pb2.RouteConfiguration) -> None:
    """Checks that every route carries a policy of its own.

    Raises:
        PolicyMissingError: one does not.
    """
    for host in configuration.virtual_hosts:
        for route in host.routes:
            policy = rbac_pb2.RBACPerRoute()
            packed_policy = route.typed_per_filter_config.get(RBAC_FILTER)
            # One without policies switches the filter off.
            if packed_policy is None or not packed_policy.Unpack(policy) or not policy.rbac.rules.policies:
                raise PolicyMissingError(configuration.name, route.name)


def route_configuration(name: str, routes: Sequence[route_components_pb2.Route]) -> route_pb2.RouteConfiguration:
    """Returns a route configuration with one virtual host for all domains, of which every route carries a policy.

    Raises:
        PolicyMissingError: one does not.
    """
    host = route_components_pb2.VirtualHost(name="all", domains=["*"], routes=routes)
    made = route_pb2.RouteConfiguration(name=name, virtual_hosts=[host])
    check_policies(made)
    return made


def header(key: str, value: str) -> base_pb2.HeaderValueOption:
    """Returns a header that replaces one of the same name."""
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=key, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
