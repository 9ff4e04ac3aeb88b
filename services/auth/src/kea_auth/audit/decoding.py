"""Logs as events: those that services tell whole, and those that Envoy tells of a request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from kea.otlp.v1 import logs_pb2
from kea_core import audit_attributes as names
from kea_core.permission import INVOKE

from kea_auth.audit.event import AuditEvent, Decision

ID_CHARACTERS = 32
ABSENT = "-"
"""What Envoy writes where there is nothing."""
MANAGEMENT = "@"
"""What the gateway's name for requests that are for no model begins with."""
MODEL_PATH = re.compile(
    r"(?:/projects/(?P<project>[^/]+))?/(?:models/(?P<typed>[^/]+)(?:/(?P<method>[^/:]+))?"
    r"|v2/models/(?P<v2>[^/.]+)(?:\.(?P<v2_method>[^/]+))?|v1/models/(?P<v1>[^/.:]+)(?:\.(?P<v1_method>[^/:]+))?)(?:[/:].*)?"
)
INFERENCE_CALLS = "/inference.GRPCInferenceService/Model"
UNKNOWN_CALLER = "jwt_authn_access_denied"
NOT_ALLOWED = "rbac_access_denied_matched_policy"
LIMITED = (
    *("local_rate_limited", "request_rate_limited", "rate_limited", "overload"),
    *("reached_concurrency_limit", "consumer_at_limit", "project_at_limit"),
)
LIMIT_FLAGS = frozenset({"RL", "RLSE", "UO", "OM"})  # codespell:ignore
"""Rate limited, the limit's service away, too many at once, too much memory in use."""
ANSWERED = frozenset({"via_upstream", "direct_response"})
CLIENT_ERRORS = range(400, 500)

Attributes = Mapping[str, str]


def decode(batch: bytes) -> Iterator[tuple[AuditEvent, logs_pb2.LogRecord]]:
    """Yields what is in a batch, in its order: events, and the logs they are told by, with attributes for all of it.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    for logs in logs_pb2.LogsData.FromString(batch).resource_logs:
        source = _attributes(logs.resource.attributes).get(names.SOURCE, "")
        for scope in logs.scope_logs:
            for record in scope.log_records:
                told = _attributes(record.attributes)
                event_id = told.get(names.EVENT_ID) or _content_id(record)
                if not told:
                    told = _take_lines(record)
                read = _told_whole if names.ACTION in told else _told_of_request
                yield read(told, event_id, record.time_unix_nano or record.observed_time_unix_nano, source), record


def _content_id(record: logs_pb2.LogRecord) -> str:
    """Returns an id that is the same where the same log has been received twice."""
    return hashlib.sha256(record.SerializeToString(deterministic=True)).hexdigest()[:ID_CHARACTERS]


def _take_lines(record: logs_pb2.LogRecord) -> dict[str, str]:
    """Returns what the lines of a log's body tell, and makes attributes of them.

    No value has a line break in it, as no header may. Where a name comes twice all the same, the first is believed.
    """
    found: dict[str, str] = {}
    for line in record.body.string_value.split("\n"):
        name, equals, text = line.partition("=")
        if equals and text and text != ABSENT and name not in found:
            found[name] = text
            record.attributes.add(key=name).value.string_value = text
    if found:
        record.ClearField("body")
    return found


def _told_whole(told: Attributes, event_id: str, time: int, source: str) -> AuditEvent:
    decision = told.get(names.DECISION, "")
    return AuditEvent(
        id=event_id,
        time=time,
        source=source,
        subject=told.get(names.SUBJECT, ""),
        token_id=told.get(names.TOKEN_ID, ""),
        session_id=told.get(names.SESSION_ID, ""),
        account_id=told.get(names.ACCOUNT_ID, ""),
        action=told[names.ACTION],
        resource=told.get(names.RESOURCE, ""),
        decision=Decision(decision) if decision in set(Decision) else Decision.NONE,
        rule=told.get(names.RULE, ""),
        outcome=told.get(names.OUTCOME, ""),
        request_id=told.get(names.REQUEST_ID, ""),
        source_address=told.get(names.SOURCE_ADDRESS, ""),
        request=told.get(names.REQUEST, ""),
    )


def _told_of_request(told: Attributes, event_id: str, time: int, source: str) -> AuditEvent:
    decision, rule = decide(told)
    verb, path = told.get(names.HTTP_VERB, ""), told.get(names.PATH, "")
    action, resource = _asked(told, verb, path)
    grpc = told.get(names.GRPC_STATUS, "")
    return AuditEvent(
        id=event_id,
        time=time,
        source=source,
        subject=told.get(names.SUBJECT, ""),
        token_id=told.get(names.TOKEN_ID, ""),
        session_id=told.get(names.SESSION_ID, ""),
        account_id=told.get(names.ACCOUNT_ID, ""),
        action=action,
        resource=resource,
        decision=decision,
        rule=rule,
        outcome=grpc or told.get(names.HTTP_STATUS, ""),
        request_id=told.get(names.REQUEST_ID, ""),
        source_address=told.get(names.SOURCE_ADDRESS, ""),
        request=f"{verb} {path}".strip(),
        model_version=told.get(names.MODEL_VERSION, ""),
        duration_ms=_number(told.get(names.DURATION_MS, "")),
        bytes_received=_number(told.get(names.BYTES_RECEIVED, "")),
        bytes_sent=_number(told.get(names.BYTES_SENT, "")),
    )


def decide(told: Attributes) -> tuple[Decision, str]:
    """Returns what Envoy has decided on a request, and by which rule."""
    details, flags = told.get(names.DETAILS, ""), set(told.get(names.FLAGS, "").split(","))
    rule = told.get(names.RULE, "")
    if details.startswith(UNKNOWN_CALLER):
        return Decision.DENIED, f"token: {_within(details, '{}').replace('_', ' ') or 'refused'}"
    if details.startswith(NOT_ALLOWED):
        matched = _within(details, "[]")
        return Decision.DENIED, "no binding" if matched == "none" else f"token: {matched}"
    if details in ANSWERED:
        return Decision.ALLOWED, rule
    if details.startswith(LIMITED) or flags & LIMIT_FLAGS:
        return Decision.LIMITED, details
    if _number(told.get(names.HTTP_STATUS, "")) in CLIENT_ERRORS or details == "route_not_found":
        return Decision.NONE, details
    return Decision.ALLOWED, rule  # and then nobody answered: what came of it is the outcome


def _asked(told: Attributes, verb: str, path: str) -> tuple[str, str]:
    """Returns what was asked for, and of what."""
    endpoint = told.get(names.ENDPOINT, "")
    # Before the token is checked, whoever calls can write these headers as they like.
    if endpoint and not told.get(names.DETAILS, "").startswith(UNKNOWN_CALLER):
        if not endpoint.startswith(MANAGEMENT):
            project, _, name = endpoint.partition("/")
            return INVOKE, _endpoint(project, name, told.get(names.METHOD, ""))
    elif (found := MODEL_PATH.fullmatch(path)) is not None:
        name = found["typed"] or found["v2"] or found["v1"]
        method = found["method"] or found["v2_method"] or found["v1_method"] or ""
        return INVOKE, _endpoint(found["project"] or "default", name, method)
    if path.startswith(INFERENCE_CALLS):
        return INVOKE, path  # the model is named in a message that nobody has looked at
    first = re.match(r"/([A-Za-z0-9_.-]*)", path)
    return f"http.{verb.lower()}.{first[1].lower() if first else ''}".rstrip("."), path


def _endpoint(project: str, endpoint: str, method: str) -> str:
    name = f"projects/{project}/endpoints/{endpoint}"
    return f"{name}/methods/{method}" if method else name


def _attributes(entries: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:  # pyright: ignore[reportGeneralTypeIssues] - protobuf's containers
        text = entry.value.string_value
        if text and text != ABSENT:
            found[entry.key] = text
    return found


def _within(details: str, brackets: str) -> str:
    return details.partition(brackets[0])[2].rpartition(brackets[1])[0]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
