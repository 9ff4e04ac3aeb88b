from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from kea_core import errors, status


def test_a_status_carries_what_its_kind_calls_for() -> None:
    made = status.to_status(errors.FieldOutOfBounds([errors.FieldViolation("a.b", "is 3; expected at most 2")]))
    assert made.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert made.details[0].Unpack(info)
    assert made.details[1].Unpack(bad)
    assert (info.reason, info.domain, dict(info.metadata)) == ("FIELD_OUT_OF_BOUNDS", "kea.dev", {"field": "a.b"})
    assert bad.field_violations[0].field == "a.b"


def test_unavailable_tells_when_to_retry() -> None:
    retry = error_details_pb2.RetryInfo()
    assert status.to_status(errors.ServiceUnavailable("auth")).details[1].Unpack(retry)
    assert retry.retry_delay.seconds == status.RETRY_SECONDS


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_numbers_are_those_on_the_wire(code: grpc.StatusCode) -> None:
    assert 1 <= status.number_of(code) <= 16
