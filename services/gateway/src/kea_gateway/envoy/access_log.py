"""What Envoy writes of every request, and what it tells the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kea_core import audit_attributes as audited

SUBJECT = "%REQ(X-KEA-SUBJECT)%"
CALLER = {
    audited.SUBJECT: SUBJECT,
    audited.TOKEN_ID: "%REQ(X-KEA-TOKEN)%",
    audited.SESSION_ID: "%REQ(X-KEA-SESSION)%",
    audited.ACCOUNT_ID: "%REQ(X-KEA-ACCOUNT)%",
}
"""Who calls, in headers that the JWT filter has made of the token. Routes take them away, before logs are written."""
CALLER_FILTER = "kea.filters.http.caller"
SUBJECT_STATE, CALLER_STATE = "kea.subject", "kea.caller"
"""Where the caller is kept until then: for the one log its name, for the other lines of its text."""

FIELDS = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "subject": f"%FILTER_STATE({SUBJECT_STATE}:PLAIN)%",
    "model": "%REQ(X-KEA-MODEL)%",
    "version": "%RESP(X-KEA-VERSION)%",
    "method": "%REQ(X-KEA-METHOD)%",
    "verb": "%REQ(:METHOD)%",
    # Without the query: callers put things there that do not belong into logs.
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "duration_ms": "%DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "replica": "%UPSTREAM_HOST%",
    "peer": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
}
"""`subject` is who called; `method` is empty where the default method was called."""


def access_log(path: Path) -> dict[str, Any]:
    """Returns the access log that writes a JSON object per line to `path`."""
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": FIELDS, "omit_empty_values": True},
        },
    }


AUDIT_CLUSTER = "audit"
AUDIT_STATS = "audit"
"""Envoy's counters of it are `access_logs.open_telemetry_access_log.audit.…`."""
AUDITED = {
    audited.RULE: "%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%",
    audited.HTTP_STATUS: "%RESPONSE_CODE%",
    audited.GRPC_STATUS: "%GRPC_STATUS(SNAKE_STRING)%",
    audited.FLAGS: "%RESPONSE_FLAGS%",
    audited.DETAILS: "%RESPONSE_CODE_DETAILS%",
    audited.DURATION_MS: "%DURATION%",
    audited.BYTES_RECEIVED: "%BYTES_RECEIVED%",
    audited.BYTES_SENT: "%BYTES_SENT%",
    audited.SOURCE_ADDRESS: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    audited.MODEL_VERSION: "%RESP(X-KEA-VERSION):32%",
    audited.HTTP_VERB: "%REQ(:METHOD):16%",
    audited.REQUEST_ID: "%REQ(X-REQUEST-ID):128%",
    audited.ENDPOINT: "%REQ(X-KEA-MODEL):160%",
    audited.METHOD: "%REQ(X-KEA-METHOD):128%",
    audited.PATH: "%PATH(NQ:ORIG_OR_PATH):512%",
}
"""Beside who: what, on what, what was decided and by what. Whatever the caller writes is cut off somewhere: refusals
are told too, and cost no token. No query, no header that may hold a secret, nothing of a body.

What a caller has a hand in comes last: of two lines with one name, readers believe the first."""
AUDIT_FLUSH_SECONDS = 1
AUDIT_BUFFER_BYTES = 256 * 1024
"""Whichever comes first has a batch sent. Most of what the receiver costs, it costs per batch: with 16 kB three times
as much for each event."""
AUDIT_PATIENCE_SECONDS = 60
"""How long a batch is tried again while nobody takes it; then it is dropped, and counted."""
AUDIT_RETRY = {
    "num_retries": 60,
    "retry_on": "cancelled,deadline-exceeded,resource-exhausted,unavailable,gateway-error,connect-failure,reset",
    "retry_back_off": {"base_interval": "0.2s", "max_interval": "2s"},
}
"""After every answer that OTLP says may pass, of those that Envoy knows. `cancelled` is what a server of gRPC answers
to who asks just when it stops."""
AUDIT_WAITING = 128
"""Batches that wait at most, 32 MB together: further ones are dropped, and counted."""
LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"
CEL = f"{LOGGERS}.filters.cel.v3.ExpressionFilter"
REFUSED = "response.code < 500 && response.code_details != 'via_upstream' && response.code_details != 'direct_response'"
"""Where a service is away there was nothing to decide."""


def audit_log(node_id: str) -> dict[str, Any]:
    """Returns the access log that sends, as OTLP, every call of a model, and whatever else Envoy itself refuses.

    The rest of the API tells its own events, with the changes they are about (`kea_core.audit`).
    """
    refused = {"extension_filter": {"name": "cel", "typed_config": {"@type": CEL, "expression": REFUSED}}}
    # Lua names what a request is for; where it is no model's endpoint there is no slash in it.
    named = {"name": "x-kea-model", "string_match": {"contains": "/"}}
    return {
        "name": "envoy.access_loggers.open_telemetry",
        "filter": {"or_filter": {"filters": [{"header_filter": {"header": named}}, refused]}},
        "typed_config": {
            "@type": f"{LOGGERS}.open_telemetry.v3.OpenTelemetryAccessLogConfig",
            # Deprecated, but 1.40 takes the size of the buffer from nowhere else: it would be 16 kB.
            "common_config": {
                "log_name": "audit",
                "transport_api_version": "V3",
                "grpc_service": {
                    "envoy_grpc": {"cluster_name": AUDIT_CLUSTER},
                    "timeout": f"{AUDIT_PATIENCE_SECONDS}s",
                    "retry_policy": AUDIT_RETRY,
                },
                "buffer_flush_interval": f"{AUDIT_FLUSH_SECONDS}s",
                "buffer_size_bytes": AUDIT_BUFFER_BYTES,
            },
            "stat_prefix": f"{AUDIT_STATS}.",
            "disable_builtin_labels": True,
            "resource_attributes": _values(
                {audited.SOURCE: "gateway", audited.NAMESPACE: "kea", audited.INSTANCE: node_id}
            ),
            # As lines of one text: as attributes, of which Envoy makes objects, they cost five times as much.
            "body": {"string_value": _lines({audited.SUBJECT: f"%FILTER_STATE({CALLER_STATE}:PLAIN)%", **AUDITED})},
        },
    }


def caller_filter() -> dict[str, Any]:
    """Returns the filter that keeps for the logs who calls."""
    _, _, lines = _lines(CALLER).partition("=")  # the name of the first is in the log's own text
    return {
        "name": CALLER_FILTER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [
                _state(SUBJECT_STATE, SUBJECT, omit_empty=True),
                _state(CALLER_STATE, lines, omit_empty=False),
            ],
        },
    }


def audit_thresholds() -> dict[str, Any]:
    """Returns how much the audit log's cluster may have under way."""
    bounds = dict.fromkeys(("max_requests", "max_pending_requests", "max_retries"), AUDIT_WAITING)
    return {"circuit_breakers": {"thresholds": [bounds]}}


def _state(key: str, text: str, *, omit_empty: bool) -> dict[str, Any]:
    made = {"text_format_source": {"inline_string": text}, "omit_empty_values": omit_empty}
    return {"object_key": key, "factory_key": "envoy.string", "format_string": made, "skip_if_empty": omit_empty}


def _lines(fields: dict[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in fields.items())


def _values(attributes: dict[str, str]) -> dict[str, Any]:
    return {"values": [{"key": key, "value": {"string_value": text}} for key, text in attributes.items()]}
