from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from command_line import Kea
from google.protobuf import timestamp_pb2
from kea.auth.v1 import audit_event_pb2, audit_service_pb2, audit_service_pb2_grpc

NOON = 1_800_000_000
IRIS = "projects/default/endpoints/iris"


class Audit(audit_service_pb2_grpc.AuditServiceServicer):
    """An audit log of five calls that comes two by two, the second page empty; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.problem = ""

    def SearchAuditEvents(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - as the proto has it
        self.asked.append(request)
        page = int(request.page_token or 0)
        events = [
            audit_event_pb2.AuditEvent(
                id=str(number),
                time=timestamp_pb2.Timestamp(seconds=NOON + number),
                subject="users/ada" if number else "",
                action="router.endpoints.invoke",
                resource=f"{IRIS}/methods/predict",
                decision=audit_event_pb2.AuditEvent.DECISION_DENIED,
                rule="no binding",
                outcome="403",
                source_address="10.0.0.1",
                source="gateway",
            )
            for number in ((0, 1), (), (2, 3), (4,))[page]
        ]
        following = str(page + 1) if page < 3 else ""
        return audit_service_pb2.SearchAuditEventsResponse(events=events, next_page_token=following)

    def ExportAuditEvents(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ARG002, N802
        self.asked.append(request)
        for part in (b'{"a":"\xc3\xa9"}\n{"b":1}\n', b'{"c":2}\n'):
            yield audit_service_pb2.ExportAuditEventsResponse(lines=part)

    def VerifyAuditLog(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        page = int(request.page_token or 1)
        segment = audit_service_pb2.AuditSegment(
            chain="000", number=page, events=3, bytes=2000, hash=f"{page:064x}", first_time={"seconds": NOON}
        )
        if page == 2 and self.problem:
            segment.problem, segment.problem_offset = self.problem, 77
        return audit_service_pb2.VerifyAuditLogResponse(
            segments=[segment],
            known_hash_found=request.known_hash == segment.hash,
            next_page_token="2" if page == 1 else "",
        )


@pytest.fixture
def audit(kea: Kea, monkeypatch: pytest.MonkeyPatch) -> Iterator[Audit]:
    made = Audit()
    server = grpc.server(ThreadPoolExecutor(2))
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("KEA_URL", f"http://127.0.0.1:{port}")
    yield made
    server.stop(0).wait()


def test_a_search_goes_on_over_all_pages_until_there_are_enough(kea: Kea, audit: Audit) -> None:
    found = kea("audit", "search", "-o", "json").json
    assert [event["id"] for event in found] == ["0", "1", "2", "3", "4"]
    assert (found[1]["subject"], found[1]["decision"], found[1]["rule"]) == ("users/ada", "DENIED", "no binding")
    assert len(kea("audit", "search", "--limit", "3", "-o", "yaml").yaml) == 3
    lines = [line.split() for line in kea("audit", "search").lines]
    assert lines[0] == ["TIME", "SUBJECT", "ACTION", "RESOURCE", "DECISION", "RULE", "OUTCOME", "FROM"]
    assert lines[1][2:6] == ["-", "router.endpoints.invoke", "iris/predict", "denied"]


def test_what_is_wanted_is_asked_as_it_is_written(kea: Kea, audit: Audit) -> None:
    kea(
        *("audit", "search", "--since", "2026-11-01T10:00:00+00:00", "--until", "1h", "--subject", "account:ci"),
        *("--resource", "iris/predict", "--action", "router", "--decision", "limited", "--request-id", "r"),
        *("--address", "10.0.0.0/8", "--source", "gateway", "--token-id", "t", "--oldest-first"),
    )
    request = audit.asked[0]
    asked = request.filter
    assert asked.start_time.ToDatetime(tzinfo=UTC) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    age = datetime.now(UTC) - asked.end_time.ToDatetime(tzinfo=UTC)
    assert timedelta(minutes=59) < age < timedelta(minutes=61)
    assert (asked.subject, asked.resource) == ("serviceAccounts/ci", f"{IRIS}/methods/predict")
    assert asked.decision == audit_event_pb2.AuditEvent.DECISION_LIMITED
    assert (asked.action, asked.request_id, asked.source_address) == ("router", "r", "10.0.0.0/8")
    assert (asked.source, asked.token_id, request.oldest_first) == ("gateway", "t", True)


def test_a_path_is_asked_for_as_it_is(kea: Kea, audit: Audit) -> None:
    kea("audit", "search", "--resource", "/api/v1")
    assert audit.asked[0].filter.resource == "/api/v1"


@pytest.mark.parametrize(("option", "value"), [("--since", "soon"), ("--decision", "maybe")])
def test_what_means_nothing_is_wrong_usage(kea: Kea, audit: Audit, option: str, value: str) -> None:
    assert value in kea("audit", "search", option, value, fails=2).err


def test_an_export_is_written_as_it_comes(kea: Kea, audit: Audit) -> None:
    assert kea("audit", "export").out == '{"a":"é"}\n{"b":1}\n{"c":2}\n'
    kea("audit", "export", "--format", "otlp", "--subject", "user:ada")
    formats = audit_service_pb2.ExportAuditEventsRequest
    assert [request.format for request in audit.asked] == [formats.FORMAT_JSON_LINES, formats.FORMAT_OTLP]
    assert audit.asked[1].filter.subject == "users/ada"


def test_a_log_that_is_whole_is_told_with_the_hash_it_ends_with(kea: Kea, audit: Audit) -> None:
    lines = kea("audit", "verify").lines
    assert lines[0].startswith("chain 000: 6 events since 2027-")
    assert lines[0].endswith("in 2 segments, 4.0 kB")
    assert lines[1:] == [f"chain 000: ends with {2:064x}", "intact"]
    report = kea("audit", "verify", "--known-hash", f"{1:064x}", "-o", "json").json
    assert report["known_hash_found"] is True
    assert len(report["segments"]) == 2


def test_a_log_that_is_not_fails_and_says_where(kea: Kea, audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    from kea_sdk.cli.main import run

    audit.problem = "a record is not what was written"
    assert run(["audit", "verify"]) == 1
    told = capsys.readouterr().out
    assert "chain 000: BROKEN at segment 2, byte 77: a record is not what was written\n" in told
    assert told.endswith("NOT INTACT\n")
    audit.problem = ""
    assert run(["audit", "verify", "--known-hash", "f" * 64]) == 1
    assert "the known hash is not there" in capsys.readouterr().out
