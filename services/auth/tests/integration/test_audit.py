from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from kea.auth.v1 import audit_event_pb2, audit_service_pb2, audit_service_pb2_grpc, role_service_pb2, token_service_pb2
from kea.otlp.v1 import logs_pb2
from kea_auth.audit.receiver import SERVICE
from kea_auth.audit.segment import segment_path
from kea_auth.audit.settings import AuditSettings
from kea_core.audit_shipper import otlp_sender
from kea_core.client import open_channel
from kea_core.settings import SettingsError

StartAuth = Callable[..., AbstractAsyncContextManager[Any]]
ALLOWED = audit_event_pb2.AuditEvent.DECISION_ALLOWED


@pytest.fixture
def audit(socket_directory: Path) -> AuditSettings:
    return AuditSettings(directory=str(socket_directory / "audit"), otlp_address=f"unix:{socket_directory}/otlp.sock")


def stub(auth: Any) -> audit_service_pb2_grpc.AuditServiceStub:
    return audit_service_pb2_grpc.AuditServiceStub(auth.channel)


async def search(auth: Any, count: int, **wanted: Any) -> list[audit_event_pb2.AuditEvent]:
    """Returns the events that fit, the oldest first, once there are that many."""
    request = audit_service_pb2.SearchAuditEventsRequest(
        filter=audit_event_pb2.AuditEventFilter(**wanted), oldest_first=True, page_size=1000
    )
    async with asyncio.timeout(20):
        while True:
            found = await stub(auth).SearchAuditEvents(request, metadata=auth.as_admin())
            if len(found.events) >= count:
                return list(found.events)
            await asyncio.sleep(0.02)


async def test_auth_tells_its_own_log_what_is_changed_and_refused(start_auth: StartAuth, audit: AuditSettings) -> None:
    async with start_auth(audit=audit) as auth:
        await auth.make_role("tester", "registry.models.get")
        await auth.make_account("ci")
        key = await auth.make_key("ci")
        token = await auth.tokens.CreateToken(token_service_pb2.CreateTokenRequest(), metadata=auth.as_admin())
        await auth.refused(
            auth.roles.DeleteRole(
                role_service_pb2.DeleteRoleRequest(name="roles/tester"), metadata=await auth.as_user("users/eve")
            )
        )
        exchange = token_service_pb2.ExchangeServiceCredentialRequest(service_account_id="deployer", secret="w" * 40)
        await auth.refused(auth.tokens.ExchangeServiceCredential(exchange))
        events = await search(auth, 6)
        told = [(event.subject, event.action, event.resource, event.decision == ALLOWED) for event in events]
        assert sorted(told) == sorted(
            [
                ("users/admin", "auth.roles.create", "roles/tester", True),
                ("users/admin", "auth.serviceAccounts.create", "serviceAccounts/ci", True),
                ("users/admin", "auth.apiKeys.create", key.name, True),
                ("users/admin", "auth.createToken", f"tokens/{token.uid}", True),
                ("users/eve", "auth.roles.delete", "roles/tester", False),
                ("", "auth.exchangeServiceCredential", "serviceAccounts/deployer", False),
            ]
        )
        assert {event.source for event in events} == {"auth"}
        content = str(events) + segment_path(Path(audit.directory) / "000", 1).read_bytes().decode("latin-1")
        assert not any(secret in content for secret in ("w" * 40, key.token, token.access_token))


async def test_the_log_may_be_asked_exported_and_checked_by_who_has_the_right(
    start_auth: StartAuth, audit: AuditSettings
) -> None:
    async with start_auth(audit=audit) as auth:
        for number in range(5):
            await auth.make_role(f"r{number}", "registry.models.get")
        await search(auth, 5, action="auth.roles")
        auditor, viewer = await auth.as_user("users/aud"), await auth.as_user("users/view")
        await auth.bind("users/aud", "auditor")
        await auth.bind("users/view", "viewer")

        whole = audit_service_pb2.ExportAuditEventsRequest(filter={"action": "auth.roles"})
        lines = b"".join([part.lines async for part in stub(auth).ExportAuditEvents(whole, metadata=auditor)])
        exported = [json.loads(line) for line in lines.decode().splitlines()]
        assert [event["resource"] for event in exported] == [f"roles/r{number}" for number in range(5)]

        whole.format = audit_service_pb2.ExportAuditEventsRequest.FORMAT_OTLP
        lines = b"".join([part.lines async for part in stub(auth).ExportAuditEvents(whole, metadata=auditor)])
        data = json_format.Parse(lines, logs_pb2.LogsData())
        assert len(data.resource_logs[0].scope_logs[0].log_records) == 5

        report = await stub(auth).VerifyAuditLog(audit_service_pb2.VerifyAuditLogRequest(), metadata=auditor)
        (segment,) = report.segments
        assert (segment.chain, segment.number, segment.problem) == ("000", 1, "")
        known = audit_service_pb2.VerifyAuditLogRequest(known_hash=segment.hash)
        assert (await stub(auth).VerifyAuditLog(known, metadata=auditor)).known_hash_found
        known.known_hash = "0" * 64
        assert not (await stub(auth).VerifyAuditLog(known, metadata=auditor)).known_hash_found

        for call in (
            stub(auth).SearchAuditEvents(audit_service_pb2.SearchAuditEventsRequest(), metadata=viewer),
            stub(auth).VerifyAuditLog(audit_service_pb2.VerifyAuditLogRequest(), metadata=viewer),
        ):
            assert await auth.refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        with pytest.raises(grpc.aio.AioRpcError, match="PERMISSION_DENIED"):
            await anext(aiter(stub(auth).ExportAuditEvents(whole, metadata=viewer)))


async def test_pages_go_on_only_for_what_they_were_made_for(start_auth: StartAuth, audit: AuditSettings) -> None:
    async with start_auth(audit=audit) as auth:
        for number in range(3):
            await auth.make_role(f"r{number}", "registry.models.get")
        await search(auth, 3)
        request = audit_service_pb2.SearchAuditEventsRequest(page_size=2)
        first = await stub(auth).SearchAuditEvents(request, metadata=auth.as_admin())
        assert [event.resource for event in first.events] == ["roles/r2", "roles/r1"]
        request.page_token = first.next_page_token
        second = await stub(auth).SearchAuditEvents(request, metadata=auth.as_admin())
        assert [event.resource for event in second.events] == ["roles/r0"]
        request.oldest_first = True
        call = stub(auth).SearchAuditEvents(request, metadata=auth.as_admin())
        assert await auth.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        wrong = audit_service_pb2.SearchAuditEventsRequest(filter={"source_address": "x/9"})
        call = stub(auth).SearchAuditEvents(wrong, metadata=auth.as_admin())
        assert await auth.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "AUDIT_FILTER_INVALID")


async def test_the_chain_goes_on_after_a_restart_and_what_was_told_meanwhile_arrives(
    start_auth: StartAuth, audit: AuditSettings
) -> None:
    async with start_auth(audit=audit) as auth:
        await auth.make_role("before", "registry.models.get")
    async with start_auth(audit=audit) as auth:
        await auth.make_role("after", "registry.models.get")
        events = await search(auth, 2)
        assert [event.resource for event in events] == ["roles/before", "roles/after"]
        report = await stub(auth).VerifyAuditLog(audit_service_pb2.VerifyAuditLogRequest(), metadata=auth.as_admin())
        assert [segment.problem for segment in report.segments] == [""]


async def test_the_receiver_takes_batches_without_a_token_and_refuses_what_is_none(
    start_auth: StartAuth, audit: AuditSettings
) -> None:
    data = logs_pb2.LogsData()
    record = data.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1_700_000_000_000_000_000)
    record.attributes.add(key="kea.request.id").value.string_value = "from-envoy"
    async with start_auth(audit=audit) as auth, open_channel(audit.otlp_address) as channel:
        await otlp_sender(channel)(data.SerializeToString())
        (event,) = await search(auth, 1, request_id="from-envoy")
        assert event.time.seconds == 1_700_000_000
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await otlp_sender(channel)(b"\xff\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for other in ("/grpc.health.v1.Health/Check", f"/{SERVICE}/Else", "/kea.auth.v1.RoleService/ListRoles"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(other)(b"")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await otlp_sender(auth.channel)(data.SerializeToString())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_without_a_directory_nothing_is_kept_and_who_asks_is_told(start_auth: StartAuth) -> None:
    async with start_auth() as auth:
        await auth.make_role("tester", "registry.models.get")
        call = stub(auth).SearchAuditEvents(audit_service_pb2.SearchAuditEventsRequest(), metadata=auth.as_admin())
        assert await auth.refused(call) == (grpc.StatusCode.FAILED_PRECONDITION, "AUDIT_NOT_KEPT")


@pytest.mark.parametrize(
    "settings",
    [
        {"otlp_address": "unix:/x"},
        {"directory": "/x", "forward_address": "unix:/x"},
        {"retention_seconds": 0.0},
        {"max_bytes": 1},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        AuditSettings(**settings)
