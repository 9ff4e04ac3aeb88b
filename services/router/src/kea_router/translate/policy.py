"""Who may take a route: Envoy RBAC, set on the virtual host of each route configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from envoy.config.core.v3 import base_pb2
from envoy.config.rbac.v3 import rbac_pb2 as policy_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import any_pb2
from kea_core.claim_list import pack
from kea_core.policy import EVERYONE

from kea_router.domain.invokers import EndpointInvokers
from kea_router.translate.names import GROUPS_HEADER, METHOD_HEADER, SCOPES_HEADER, SUBJECT_HEADER
from kea_router.translate.packing import packed

RBAC_FILTER = "envoy.filters.http.rbac"
POLICIES_KEPT = 64
"""Policies that are kept once made: most endpoints of a project have the same."""
MEMBERS_KEPT = 10_000
"""Members whose matchers are kept: whoever has a role on the platform is in the policy of every endpoint."""


class PolicyMissingError(Exception):
    """Routes without a policy: the base filter would let everybody through, so they must not be published."""

    def __init__(self, configuration: str) -> None:
        super().__init__(f"{configuration} has routes that no policy holds for")


@lru_cache(maxsize=POLICIES_KEPT)
def invokers_policy(invokers: EndpointInvokers) -> any_pb2.Any:
    """Returns the policy that lets through who may call an endpoint, or the method that a request names.

    It decides as `kea_core.policy.Policy.decide` does. What is returned is kept: put it into others, never change it.
    """
    in_scope = _in_scope(invokers.roles)
    policies = {f"method {name}": _policy(_calls(name), in_scope, members) for name, members in invokers.of_methods}
    if invokers.members:
        policies["endpoint"] = _policy(policy_pb2.Permission(any=True), in_scope, invokers.members)
    if not policies:  # none at all would switch the filter off
        nobody = policy_pb2.Principal(not_id=policy_pb2.Principal(any=True))
        policies["nobody"] = policy_pb2.Policy(permissions=[policy_pb2.Permission(any=True)], principals=[nobody])
    return _per_route(policies)


def anyone_policy() -> any_pb2.Any:
    """Returns the policy that lets everyone through whom the JWT filter has let through."""
    anyone = policy_pb2.Principal(any=True)
    return _per_route(
        {"allowed": policy_pb2.Policy(permissions=[policy_pb2.Permission(any=True)], principals=[anyone])}
    )


def _per_route(policies: Mapping[str, policy_pb2.Policy]) -> any_pb2.Any:
    rules = policy_pb2.RBAC(action=policy_pb2.RBAC.ALLOW, policies=policies)
    return packed(rbac_pb2.RBACPerRoute(rbac=rbac_pb2.RBAC(rules=rules)))


def _policy(
    permission: policy_pb2.Permission, in_scope: policy_pb2.Principal, members: Iterable[str]
) -> policy_pb2.Policy:
    anyone = policy_pb2.Principal(or_ids=policy_pb2.Principal.Set(ids=[_member(member) for member in members]))
    both = policy_pb2.Principal(and_ids=policy_pb2.Principal.Set(ids=[in_scope, anyone]))
    return policy_pb2.Policy(permissions=[permission], principals=[both])


def _calls(method: str) -> policy_pb2.Permission:
    return policy_pb2.Permission(header=_exactly(METHOD_HEADER, method))


@lru_cache(maxsize=MEMBERS_KEPT)
def _member(member: str) -> policy_pb2.Principal:
    if member == EVERYONE:
        return policy_pb2.Principal(any=True)
    kind, _, name = member.partition("/")
    if kind == "groups":
        return policy_pb2.Principal(header=_listed(GROUPS_HEADER, name))
    return policy_pb2.Principal(header=_exactly(SUBJECT_HEADER, member))


@lru_cache(maxsize=1)
def _in_scope(roles: tuple[str, ...]) -> policy_pb2.Principal:
    """Matches tokens without scopes, and those of which a scope is one of the roles."""
    some = route_components_pb2.HeaderMatcher(name=SCOPES_HEADER, present_match=True)
    without = policy_pb2.Principal(not_id=policy_pb2.Principal(header=some))
    within = [policy_pb2.Principal(header=_listed(SCOPES_HEADER, role)) for role in roles]
    return policy_pb2.Principal(or_ids=policy_pb2.Principal.Set(ids=[without, *within]))


def _exactly(name: str, value: str) -> route_components_pb2.HeaderMatcher:
    return route_components_pb2.HeaderMatcher(name=name, string_match=string_pb2.StringMatcher(exact=value))


def _listed(name: str, entry: str) -> route_components_pb2.HeaderMatcher:
    """Matches a header that has an entry among those of its list."""
    return route_components_pb2.HeaderMatcher(name=name, string_match=string_pb2.StringMatcher(contains=pack([entry])))


def check_policies(configuration: route_pb2.RouteConfiguration) -> None:
    """Checks that each virtual host carries a policy, and that no route takes it away.

    Raises:
        PolicyMissingError: it is not so.
    """
    for host in configuration.virtual_hosts:
        policy = rbac_pb2.RBACPerRoute()
        packed_policy = host.typed_per_filter_config.get(RBAC_FILTER)
        # One without policies switches the filter off.
        if packed_policy is None or not packed_policy.Unpack(policy) or not policy.rbac.rules.policies:
            raise PolicyMissingError(configuration.name)
        if any(RBAC_FILTER in route.typed_per_filter_config for route in host.routes):
            raise PolicyMissingError(configuration.name)


def route_configuration(
    name: str, routes: Sequence[route_components_pb2.Route], policy: any_pb2.Any
) -> route_pb2.RouteConfiguration:
    """Returns a route configuration with one virtual host for all domains, whose policy holds for all its routes.

    Raises:
        PolicyMissingError: the policy is none, or a route has one of its own.
    """
    host = route_components_pb2.VirtualHost(
        name="all", domains=["*"], routes=routes, typed_per_filter_config={RBAC_FILTER: policy}
    )
    made = route_pb2.RouteConfiguration(name=name, virtual_hosts=[host])
    check_policies(made)
    return made


def header(key: str, value: str) -> base_pb2.HeaderValueOption:
    """Returns a header that replaces one of the same name."""
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=key, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )
