from __future__ import annotations

import http
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from kea_sdk import errors
from kea_sdk.cli.exit_codes import ExitCode, exit_code_of
from kea_sdk.error_mapping import CODES, DETAILS_KEY, from_rpc, from_status
from kea_sdk.errors import (
    BuildFailed,
    DeadlineExceeded,
    DeploymentFailed,
    InvalidArgument,
    KeaClientError,
    NotFound,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from kea_sdk.http_error_mapping import STATUSES, from_response, from_transport

URL = "http://127.0.0.1:8080"
UNFORESEEN = {
    grpc.StatusCode.OK,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DATA_LOSS,
}


class Failed(grpc.RpcError):
    """A failed call, as grpc raises it."""

    def __init__(self, code: grpc.StatusCode, details: str | None, trailers: Any = ()) -> None:
        self._answer = code, details, trailers

    def code(self) -> grpc.StatusCode:
        return self._answer[0]

    def details(self) -> str | None:
        return self._answer[1]

    def trailing_metadata(self) -> Any:
        return self._answer[2]


def status(code: int, message: str, *details: Any) -> status_pb2.Status:
    made = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        made.details.append(packed)
    return made


def all_errors() -> list[type[KeaClientError]]:
    waiting, found = [KeaClientError], list[type[KeaClientError]]()
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return found


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_every_code_becomes_an_error(code: grpc.StatusCode) -> None:
    expected = KeaClientError if code in UNFORESEEN else CODES[code]
    for found in (from_rpc(Failed(code, "why"), URL), from_status(status(code.value[0], "why"))):
        assert type(found) is expected
        assert (str(found), found.reason) == ("why", expected.default_reason)


def test_a_code_without_a_word_is_said_by_its_name() -> None:
    assert str(from_rpc(Failed(grpc.StatusCode.NOT_FOUND, None, None), URL)) == "not found"
    assert str(from_status(status(99, ""))) == "unknown"


@pytest.mark.parametrize("number", [entry.value for entry in http.HTTPStatus if entry.value >= 400])
def test_every_http_status_becomes_an_error(number: int) -> None:
    found = from_response(httpx.Response(number, text="<html>"))
    assert type(found) is STATUSES.get(number, InvalidArgument if number < 500 else KeaClientError)
    assert str(found) == http.HTTPStatus(number).phrase


def test_a_status_nobody_knows_is_an_error_too() -> None:
    assert str(from_response(httpx.Response(599))) == "unknown status"


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_is_exported_and_has_a_reason_and_an_exit_code(kind: type[KeaClientError]) -> None:
    import kea_sdk

    assert kind.__name__ in kea_sdk.__all__
    assert kind.default_reason == kind.default_reason.upper()
    expected_failure = kind in {KeaClientError, BuildFailed, DeploymentFailed}
    assert (exit_code_of(kind("x")) is ExitCode.FAILED) == expected_failure


def test_details_tell_reason_metadata_and_violations() -> None:
    info = error_details_pb2.ErrorInfo(reason="ALIAS_RESERVED", domain="kea.dev", metadata={"alias": "latest"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="alias", description="is reserved")
    made = status(3, "two\n lines", info, error_details_pb2.BadRequest(field_violations=[violation]))
    trailers = (("other", "x"), (DETAILS_KEY, made.SerializeToString()))
    found = from_rpc(Failed(grpc.StatusCode.INVALID_ARGUMENT, "hidden", trailers), URL)
    assert isinstance(found, InvalidArgument)
    assert (str(found), found.reason, found.metadata) == ("two lines", "ALIAS_RESERVED", {"alias": "latest"})
    assert found.violations == (errors.FieldViolation("alias", "is reserved"),)


def test_a_reason_of_another_domain_is_none_of_ours() -> None:
    info = error_details_pb2.ErrorInfo(reason="MODEL_LOAD_FAILED", domain="other.dev")
    assert from_status(status(9, "x", info)).reason == "FAILED_PRECONDITION"


@pytest.mark.parametrize("reason", ["MODEL_LOAD_FAILED", "ENVIRONMENT_FAILED", "ARTIFACT_FAILED"])
def test_what_keeps_a_model_from_coming_up_has_a_class_of_its_own(reason: str) -> None:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="kea.dev")
    assert type(from_status(status(9, "x", info))) is DeploymentFailed


def test_details_that_are_garbage_do_not_hide_the_error() -> None:
    found = from_rpc(Failed(grpc.StatusCode.NOT_FOUND, "gone", ((DETAILS_KEY, b"\xff\xff"),)), URL)
    assert (type(found), str(found)) == (NotFound, "gone")


def test_nothing_at_the_address_is_told_apart_from_nothing_behind_it() -> None:
    refused = Failed(
        grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: … Connection refused"
    )
    assert "start it with `kea up`" in str(from_rpc(refused, URL))
    assert type(from_rpc(refused, URL)) is Unreachable
    assert str(from_rpc(refused, "https://kea.example.com")).endswith("; is this its address?")
    assert type(from_rpc(Failed(grpc.StatusCode.UNAVAILABLE, "no healthy upstream"), URL)) is Unavailable


def test_a_certificate_that_is_not_trusted_is_said_so() -> None:
    text = "failed to connect to all addresses: Ssl handshake failed: CERTIFICATE_VERIFY_FAILED"
    for found in (
        from_rpc(Failed(grpc.StatusCode.UNAVAILABLE, text), "https://kea"),
        from_transport(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "https://kea"),
    ):
        assert (type(found), found.reason) == (Unavailable, "TLS_FAILED")
        assert "CERTIFICATE_VERIFY_FAILED" in str(found)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ConnectTimeout("slow"), Unreachable),
        (httpx.ReadTimeout("slow"), DeadlineExceeded),
        (httpx.ReadError("broke"), Unavailable),
        (httpx.RemoteProtocolError("half an answer"), Unavailable),
        (httpx.DecodingError("no gzip"), Unavailable),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_calls_without_an_answer_are_errors_of_ours(error: httpx.RequestError, kind: type[KeaClientError]) -> None:
    assert type(from_transport(error, URL)) is kind


def test_each_protocols_errors_are_understood() -> None:
    problem = {"title": "Unprocessable", "detail": "/x: is missing", "reason": "INVALID", "errors": [{"pointer": "/x"}]}
    found = from_response(httpx.Response(422, json=problem))
    assert isinstance(found, InvalidArgument)
    assert (str(found), found.reason, found.violations[0].field) == ("/x: is missing", "INVALID", "/x")
    found = from_response(httpx.Response(404, json={"error": {"message": "no model", "status": "NOT_FOUND"}}))
    assert (type(found), str(found), found.reason) == (NotFound, "no model", "NOT_FOUND")
    assert str(from_response(httpx.Response(503, json={"error": "not ready"}))) == "not ready"
    assert str(from_response(httpx.Response(400, json={"message": "broken"}))) == "broken"
    assert type(from_response(httpx.Response(401, json={"title": "who?"}))) is Unauthenticated


@pytest.mark.parametrize(
    "document", [[], "text", None, {"errors": None}, {"errors": {"a": 1}}, {"errors": ["x"]}, {"error": 7}]
)
def test_answers_of_no_known_shape_are_errors_all_the_same(document: Any) -> None:
    assert str(from_response(httpx.Response(422, json=document))) == http.HTTPStatus(422).phrase
