"""Batches as Envoy sends them, and a clock that passes when told."""

from __future__ import annotations

from collections.abc import Callable

from kea.otlp.v1 import logs_pb2
from kea_auth.audit.chain import Batch, Chain
from kea_auth.audit.otlp_scan import scan

SECOND = 10**9
START = 1_800_000_000 * SECOND


class Clock:
    """Nanoseconds that pass when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


def request(time: int, **told: str) -> logs_pb2.LogRecord:
    """Returns what Envoy tells of a request; names with `_` in place of a dot."""
    names = [name.replace("__", "~").replace("_", ".").replace("~", "_") for name in told]
    lines = [f"{name}={text}" for name, text in zip(names, told.values(), strict=True)]
    return logs_pb2.LogRecord(time_unix_nano=time, body=logs_pb2.AnyValue(string_value="\n".join(lines)))


def batch_of(*records: logs_pb2.LogRecord, source: str = "gateway") -> bytes:
    data = logs_pb2.LogsData()
    logs = data.resource_logs.add()
    logs.resource.attributes.add(key="service.name").value.string_value = source
    logs.scope_logs.add().log_records.extend(records)
    return data.SerializeToString()


def received(content: bytes, time: int) -> Batch:
    return Batch(content, scan(content), time)


OpenChain = Callable[..., Chain]
