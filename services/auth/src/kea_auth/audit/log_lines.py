"""Events as lines of text, to be kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence

from google.protobuf import json_format
from kea.otlp.v1 import logs_pb2
from kea_core import audit_attributes as names

from kea_auth.audit.convert import event_to_proto
from kea_auth.audit.search import Found


def json_lines(found: Sequence[Found]) -> bytes:
    """Returns a line of JSON for each event."""
    return b"".join(_line(json_format.MessageToDict(event_to_proto(one.event))) for one in found)


def otlp_lines(found: Sequence[Found]) -> bytes:
    """Returns a line of OTLP/JSON with all events, as they were received."""
    data = logs_pb2.LogsData()
    logs: logs_pb2.ResourceLogs | None = None
    source = ""
    for one in found:
        if logs is None or one.event.source != source:
            logs, source = data.resource_logs.add(), one.event.source
            logs.resource.attributes.add(key=names.SOURCE).value.string_value = source
            logs.scope_logs.add()
        logs.scope_logs[0].log_records.append(one.record)
    return _line(json_format.MessageToDict(data)) if found else b""


def _line(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
