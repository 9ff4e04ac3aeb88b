"""What Envoy writes of every request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CLAIM = "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:{})%"

FIELDS = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "subject": CLAIM.format("sub"),
    "token": CLAIM.format("jti"),
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
