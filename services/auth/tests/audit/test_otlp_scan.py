from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from kea.otlp.v1 import logs_pb2
from kea_auth.audit.otlp_scan import BatchMalformedError, scan

times = st.integers(min_value=0, max_value=2**64 - 1)
texts = st.text(max_size=20)


@st.composite
def batches(draw: st.DrawFn) -> logs_pb2.LogsData:
    data = logs_pb2.LogsData()
    for _ in range(draw(st.integers(0, 3))):
        logs = data.resource_logs.add()
        logs.resource.attributes.add(key=draw(texts)).value.string_value = draw(texts)
        for _ in range(draw(st.integers(0, 3))):
            scope = logs.scope_logs.add()
            scope.scope.name = draw(texts)
            for _ in range(draw(st.integers(0, 4))):
                record = scope.log_records.add(
                    time_unix_nano=draw(times),
                    observed_time_unix_nano=draw(times),
                    severity_number=draw(st.integers(0, 2**31 - 1)),
                )
                record.body.double_value = draw(st.floats())
                record.attributes.add(key=draw(texts)).value.string_value = draw(texts)
    return data


@given(batches())
def test_a_scan_tells_what_decoding_would(data: logs_pb2.LogsData) -> None:
    records = [record for logs in data.resource_logs for scope in logs.scope_logs for record in scope.log_records]
    known = [time for record in records if (time := record.time_unix_nano or record.observed_time_unix_nano)]
    found = scan(data.SerializeToString())
    assert (found.events, found.oldest, found.newest) == (len(records), min(known, default=0), max(known, default=0))


@given(st.binary(max_size=200))
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x00")
def test_what_is_no_batch_is_refused_and_nothing_else_happens(content: bytes) -> None:
    try:
        found = scan(content)
    except BatchMalformedError:
        return
    try:
        data = logs_pb2.LogsData.FromString(content)
    except DecodeError:
        return  # it walks over the lengths only
    assert found.events == sum(len(scope.log_records) for logs in data.resource_logs for scope in logs.scope_logs)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_batch_that_is_cut_off_is_refused(cut: int) -> None:
    data = logs_pb2.LogsData()
    data.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1, severity_text="x" * 40)
    with pytest.raises(BatchMalformedError):
        scan(data.SerializeToString()[:-cut])
