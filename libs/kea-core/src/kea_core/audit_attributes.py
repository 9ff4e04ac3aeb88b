"""Names of what is told of an audit event, as attributes of an OTLP log.

Services write those of an event of their own; Envoy those of a request, as a line `NAME=VALUE` each in the log's body.
Auth reads both. Where OpenTelemetry's conventions have a name it is theirs, so that a company's collector knows it.
"""

from __future__ import annotations

from typing import Final

SOURCE: Final = "service.name"
"""Of the resource: which part of KEA tells."""
NAMESPACE: Final = "service.namespace"
INSTANCE: Final = "service.instance.id"

SUBJECT: Final = "user.id"
TOKEN_ID: Final = "kea.token.id"  # noqa: S105 - a name
SESSION_ID: Final = "kea.session.id"
ACCOUNT_ID: Final = "kea.account.id"
REQUEST_ID: Final = "kea.request.id"
SOURCE_ADDRESS: Final = "client.address"
RULE: Final = "kea.rule"

# Of services' own events.
EVENT_ID: Final = "kea.event.id"
ACTION: Final = "kea.action"
RESOURCE: Final = "kea.resource"
DECISION: Final = "kea.decision"
OUTCOME: Final = "kea.outcome"
REQUEST: Final = "rpc.method"

# Of Envoy's.
ENDPOINT: Final = "kea.endpoint"
METHOD: Final = "kea.method"
MODEL_VERSION: Final = "kea.model.version"
HTTP_VERB: Final = "http.request.method"
PATH: Final = "url.path"
HTTP_STATUS: Final = "http.response.status_code"
GRPC_STATUS: Final = "rpc.response.status_code"
FLAGS: Final = "envoy.response.flags"
DETAILS: Final = "envoy.response.code_details"
DURATION_MS: Final = "kea.duration_ms"
BYTES_RECEIVED: Final = "http.request.body.size"
BYTES_SENT: Final = "http.response.body.size"
