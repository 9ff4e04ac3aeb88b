"""The prototype that the budget of security was set by: token check, access and audit log on a bare Envoy.

Built anew, as its notes say that it was. It is the yardstick of a machine: what took it 28 us where the budget was set
takes three times as long elsewhere.
"""

from __future__ import annotations

import copy

from kea_gateway.envoy.access_log import AUDIT_CLUSTER
from kea_gateway.envoy.bootstrap import JWT_FILTER
from kea_router.translate.authentication import PROVIDER
from parts import ACCESS, AUDIT_LOG, bare_config
from still_envoy import Document, manager

CLAIMS = "claims"
ATTRIBUTES = {
    "subject": f"%DYNAMIC_METADATA({JWT_FILTER}:{CLAIMS}:sub)%",
    "token": f"%DYNAMIC_METADATA({JWT_FILTER}:{CLAIMS}:jti)%",
    "route": "%ROUTE_NAME%",
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
}
"""What it logs of a request: each an attribute of the record."""


def prototype_config(secured: Document, upstream: str, subject: str) -> Document:
    """Returns the bootstrap of an Envoy that does no more than the prototype did.

    Its filters are configured as the prototype's were: claims in metadata, one rule for all paths, one policy for one
    subject, no limits, and one log.

    Args:
        secured: KEA's bootstrap, of which it has keys, log and receiver.
        upstream: the model server's socket (`unix:PATH`).
        subject: who may call.
    """
    document = bare_config(upstream)
    clusters = secured["static_resources"]["clusters"]
    document["static_resources"]["clusters"] += [each for each in clusters if each["name"] == AUDIT_CLUSTER]
    document["node"] = secured["node"]
    passing_on = manager(document)
    passing_on["http_filters"] = [_token_check(secured), _access(subject), *passing_on["http_filters"]]
    passing_on["access_log"] = [_log(secured)]
    return document


def _token_check(secured: Document) -> Document:
    found = _named(manager(secured)["http_filters"], JWT_FILTER)
    check = found["typed_config"]
    provider = check["providers"][PROVIDER]
    del provider["claim_to_headers"]
    provider["payload_in_metadata"] = CLAIMS
    check["providers"] = {PROVIDER: provider}
    check["rules"] = [{"match": {"prefix": "/"}, "requires": {"provider_name": PROVIDER}}]
    return found


def _access(subject: str) -> Document:
    path = [{"key": CLAIMS}, {"key": "sub"}]
    of_subject = {"filter": JWT_FILTER, "path": path, "value": {"string_match": {"exact": subject}}}
    policy = {"permissions": [{"any": True}], "principals": [{"sourced_metadata": {"metadata_matcher": of_subject}}]}
    kind = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
    return {"name": ACCESS, "typed_config": {"@type": kind, "rules": {"policies": {"callers": policy}}}}


def _log(secured: Document) -> Document:
    found = _named(manager(secured)["access_log"], AUDIT_LOG)
    del found["filter"], found["typed_config"]["body"]
    values = [{"key": key, "value": {"string_value": text}} for key, text in ATTRIBUTES.items()]
    found["typed_config"]["attributes"] = {"values": values}
    return found


def _named(entries: list[Document], name: str) -> Document:
    return copy.deepcopy(next(each for each in entries if each["name"] == name))
