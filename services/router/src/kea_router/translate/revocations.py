"""The filter that refuses revoked tokens, as an extension that changes with auth's revocations.

The JWT filter leaves a token's ids in headers (`TOKEN_ID_HEADERS`); each is looked up in a map, so a request costs the
same however many are revoked. (Envoy 1.40 looks nothing up in a map by dynamic metadata.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from envoy.config.core.v3 import extension_pb2
from envoy.config.rbac.v3 import rbac_pb2 as action_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf.message import Message
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from kea_router.translate.names import REVOCATION_FILTER, REVOKED, TOKEN_ID_HEADERS
from kea_router.translate.packing import packed
from kea_router.xds.resource import Resource, make_resource


def revocation_filter(revoked: Collection[str]) -> Resource:
    """Returns the filter that refuses tokens of which an id is revoked."""
    rules = rbac_pb2.RBAC(rules_stat_prefix="revocations_")
    if revoked:  # an empty map is none that Envoy takes
        rules.matcher.CopyFrom(_matcher(sorted(revoked), list(TOKEN_ID_HEADERS.values())))
    config = extension_pb2.TypedExtensionConfig(name=REVOCATION_FILTER, typed_config=packed(rules))
    return make_resource(REVOCATION_FILTER, config)


def _matcher(revoked: Sequence[str], headers: Sequence[str]) -> matcher_pb2.Matcher:
    """Returns what denies where the first header has one of the ids, else asks the next; in the end it allows."""
    header, *rest = headers
    named = _extension("header", http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=header))
    ids = matcher_pb2.Matcher.MatcherTree.MatchMap(map=dict.fromkeys(revoked, _action(allow=False)))
    tree = matcher_pb2.Matcher.MatcherTree(input=named, exact_match_map=ids)
    otherwise = matcher_pb2.Matcher.OnMatch(matcher=_matcher(revoked, rest)) if rest else _action(allow=True)
    return matcher_pb2.Matcher(matcher_tree=tree, on_no_match=otherwise)


def _action(*, allow: bool) -> matcher_pb2.Matcher.OnMatch:
    decided = (
        action_pb2.Action(name="good", action=action_pb2.RBAC.ALLOW)
        if allow
        else action_pb2.Action(name=REVOKED, action=action_pb2.RBAC.DENY)
    )
    return matcher_pb2.Matcher.OnMatch(action=_extension("envoy.filters.rbac.action", decided))


def _extension(name: str, message: Message) -> xds_extension_pb2.TypedExtensionConfig:
    return xds_extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(message))
