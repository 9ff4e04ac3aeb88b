"""What a real Envoy tells the audit log of what it has decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import duration_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, limits_pb2
from kea_auth.audit.chain import Chain, Limits
from kea_auth.audit.event import AuditEvent, Decision, Filter
from kea_auth.audit.journal import Journal, JournalMetrics
from kea_auth.audit.receiver import SERVICE, serve_receiver
from kea_auth.audit.record import Kind
from kea_auth.audit.search import Log
from kea_auth.audit.segment import headers, read_record, segment_path
from kea_auth.audit.verification import verify
from kea_core.task_scope import TaskScope
from kea_core.testing.tokens import make_token
from kea_gateway.inference_messages import message_class
from prometheus_client import CollectorRegistry

StartPlane = Callable[..., AbstractAsyncContextManager[Any]]
PROJECT = "projects/default"
MODEL_READY = "/inference.GRPCInferenceService/ModelReady"
Request, Response = message_class("ModelReadyRequest"), message_class("ModelReadyResponse")


@dataclass
class Kept:
    """An audit log that is being written."""

    chain: Chain
    log: Log
    metrics: CollectorRegistry

    def events(self) -> list[AuditEvent]:
        part = self.log.search(Filter(), oldest_first=True, after=None, most=1000)
        return [found.event for found in part.found]

    async def some(self, count: int) -> list[AuditEvent]:
        async with asyncio.timeout(20):
            while len(found := self.events()) < count:  # noqa: ASYNC110 - another process sends when it likes
                await asyncio.sleep(0.05)
        return found

    def batches(self) -> int:
        (segment,) = verify(self.log, None).segments
        return segment.walk.batches

    def content(self) -> bytes:
        """Returns all that is in it, unpacked."""
        with segment_path(self.chain.directory, 1).open("rb") as file:
            found = list(headers(file, self.chain.position.end))
            whole = [read_record(file, offset, self.chain.position.end) for offset, _ in found]
        return b"".join(record.content() for record in whole if record.header.kind is Kind.BATCH)


@asynccontextmanager
async def audit_log(directory: Path) -> AsyncGenerator[Kept, None]:
    chain, metrics = Chain(directory / "audit" / "000", Limits(), time.time_ns), CollectorRegistry()
    journal = Journal(chain, JournalMetrics(metrics), time.time_ns)
    async with TaskScope() as tasks:
        tasks.create_task(journal.run(), name="journal")
        async with serve_receiver(f"unix:{directory}/audit.sock", journal, None):
            yield Kept(chain, Log(directory / "audit", lambda: journal.position), metrics)
    await journal.close()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def ask(plane: Any, model: str, token: str) -> grpc.StatusCode:
    """Asks over gRPC whether a model is ready."""
    async with grpc.aio.insecure_channel(str(plane.http.base_url).removeprefix("http://")) as channel:
        method = channel.unary_unary(
            MODEL_READY, request_serializer=Request.SerializeToString, response_deserializer=Response.FromString
        )
        call = method(Request(name=model), metadata=tuple(bearer(token).items()))
        return await call.code()


async def serve(plane: Any) -> None:
    """Makes an endpoint that takes one request in an hour, and one that takes all."""
    plane.deploy("v1", await plane.upstream("a"))
    await plane.create("iris", v1=10_000)
    await plane.settled("iris")
    await plane.create("few", v1=10_000)
    rate = limits_pb2.RateLimit(requests=1, period=duration_pb2.Duration(seconds=3600))
    endpoint = endpoint_pb2.Endpoint(name=f"{PROJECT}/endpoints/few", limits=limits_pb2.Limits(total=rate))
    request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint, update_mask={"paths": ["limits"]})
    await plane.endpoints.UpdateEndpoint(request)
    await plane.settled("few")


async def test_every_decision_is_told_with_who_what_and_why(directory: Path, start_plane: StartPlane) -> None:
    admin = make_token("admin", jti="token-1", sid="session-1", uid="account-1")
    viewer = make_token("viewer", subject="users/eve")
    async with audit_log(directory) as kept, start_plane(audit_address=f"unix:{directory}/audit.sock") as plane:
        await serve(plane)
        answers = [
            await plane.http.post(
                "/models/iris/predict?key=query-secret", headers=bearer(admin), json={"x": "body-secret"}
            ),
            await plane.http.post("/v2/models/iris.predict/infer", headers=bearer(admin), json={}),
            await plane.http.post("/models/iris/predict"),
            await plane.http.post("/models/iris/predict", headers=bearer("token-secret")),
            await plane.http.post("/models/iris/predict", headers=bearer(viewer)),
            await plane.http.post("/models/few/predict", headers=bearer(admin)),
            await plane.http.post("/models/few/predict", headers=bearer(admin)),
            await plane.http.post("/models/nothing/predict", headers=bearer(admin)),
            await plane.http.get("/api/v1/projects/default/models"),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 403, 200, 429, 404, 401]
        assert await ask(plane, "iris", viewer) is grpc.StatusCode.PERMISSION_DENIED
        await plane.http.get("/v2/health/live")
        await plane.http.get("/docs")
        events = await kept.some(10)
        assert (await plane.http.get("/v2/health/live")).status_code == 200

        iris = f"{PROJECT}/endpoints/iris"
        told = [(event.decision, event.subject, event.resource, event.outcome) for event in events]
        assert told == [
            (Decision.ALLOWED, "users/ada", f"{iris}/methods/predict", "200"),
            (Decision.ALLOWED, "users/ada", f"{iris}/methods/predict", "200"),
            (Decision.DENIED, "", f"{iris}/methods/predict", "401"),
            (Decision.DENIED, "", f"{iris}/methods/predict", "401"),
            (Decision.DENIED, "users/eve", f"{iris}/methods/predict", "403"),
            (Decision.ALLOWED, "users/ada", f"{PROJECT}/endpoints/few/methods/predict", "200"),
            (Decision.LIMITED, "users/ada", f"{PROJECT}/endpoints/few/methods/predict", "429"),
            (Decision.NONE, "users/ada", f"{PROJECT}/endpoints/nothing/methods/predict", "404"),
            (Decision.DENIED, "", "/api/v1/projects/default/models", "401"),
            (Decision.DENIED, "users/eve", iris, "PERMISSION_DENIED"),
        ]
        assert [event.action for event in events[:8]] == ["router.endpoints.invoke"] * 8
        assert (events[8].action, events[9].action) == ("http.get.api", "router.endpoints.invoke")
        assert [event.rule for event in events][:7] == [
            "endpoint",
            "endpoint",
            "token: Jwt is missing",
            "token: Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            "no binding",
            "endpoint",
            "local_rate_limited",
        ]
        first = events[0]
        assert (first.token_id, first.session_id, first.account_id) == ("token-1", "session-1", "account-1")
        assert (first.request, first.source_address, first.source) == (
            "POST /models/iris/predict",
            "127.0.0.1",
            "gateway",
        )
        assert first.request_id == answers[0].headers["x-request-id"]
        assert first.bytes_received > 0
        assert first.bytes_sent == len(answers[0].content)

        content = kept.content()
        secrets = (b"query-secret", b"body-secret", b"token-secret", admin.encode(), viewer.encode(), b"served_by")
        assert [secret for secret in secrets if secret in content] == []
        assert [found.problem for found in verify(kept.log, None).segments] == [""]


async def test_a_revoked_token_is_told_with_whose_it_was(
    directory: Path, start_plane: StartPlane, eventually: Callable[..., Awaitable[Any]]
) -> None:
    token = bearer(make_token("admin", jti="gone"))
    async with audit_log(directory) as kept, start_plane(audit_address=f"unix:{directory}/audit.sock") as plane:
        await serve(plane)
        plane.auth.revoke("gone")

        async def refused() -> bool:
            return (await plane.http.post("/models/iris/predict", headers=token)).status_code == 401

        await eventually(refused)

        async def told() -> AuditEvent | None:
            return next((event for event in kept.events() if event.decision is Decision.DENIED), None)

        event = await eventually(told)
        assert (event.subject, event.token_id, event.rule) == ("users/ada", "gone", "token: revoked")
        assert event.resource == f"{PROJECT}/endpoints/iris/methods/predict"


async def test_what_callers_write_into_keas_own_headers_is_not_believed(
    directory: Path, start_plane: StartPlane
) -> None:
    forged = {"x-kea-model": "other/forged", "x-kea-method": "forged", "x-request-id": "forged"}
    forged |= {f"x-kea-{name}": "forged" for name in ("subject", "groups", "scopes", "token", "session", "account")}
    async with audit_log(directory) as kept, start_plane(audit_address=f"unix:{directory}/audit.sock") as plane:
        await serve(plane)
        await plane.http.post("/models/iris/predict", headers=forged)
        await plane.http.post("/models/iris/predict", headers=forged | bearer(make_token("admin")))
        await plane.http.get("/api/v1/x", headers=forged)
        await plane.http.get("/v2/models/", headers=forged)
        await plane.http.get("/models/nothing/docs", headers=forged)  # this needs no token
        events = await kept.some(4)
        assert "forged" not in str([(event.resource, event.action, event.subject, event.token_id) for event in events])


async def test_nothing_is_lost_while_the_log_is_away(
    directory: Path, start_plane: StartPlane, eventually: Callable[..., Awaitable[Any]]
) -> None:
    async with start_plane(audit_address=f"unix:{directory}/audit.sock") as plane:
        await serve(plane)
        headers_of = bearer(make_token("admin"))
        for _ in range(50):
            await plane.http.post("/models/iris/predict", headers=headers_of)

        async def tried() -> bool:
            return (await plane.envoy.stats("cluster.audit.upstream_rq_retry$"))["cluster.audit.upstream_rq_retry"] > 0

        await eventually(tried)
        async with audit_log(directory) as kept:
            for _ in range(50):
                await plane.http.post("/models/iris/predict", headers=headers_of)
            events = await kept.some(100)
            assert len({event.request_id for event in events}) == len(events) == 100
            assert (kept.metrics.get_sample_value("kea_audit_records_total") or 0) >= 100
            dropped = await plane.envoy.stats("access_logs.open_telemetry_access_log.audit.logs_dropped")
            assert list(dropped.values()) == [0]
            # What was written while nobody took it: 50 of them are more than Envoy's own 16 kB, and yet one batch.
            assert kept.batches() < 10


@asynccontextmanager
async def answering(address: str, codes: list[grpc.StatusCode]) -> AsyncGenerator[list[bytes], None]:
    """Answers on an address with each of these codes, and then OK; gives the batches it was sent."""
    batches: list[bytes] = []

    async def export(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        batches.append(request)
        code = codes.pop(0) if codes else grpc.StatusCode.OK
        if code is not grpc.StatusCode.OK:
            await context.abort(code)
        return b""

    server = grpc.aio.server()
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(address)
    await server.start()
    try:
        yield batches
    finally:
        await server.stop(0)


async def test_a_batch_is_sent_again_after_every_answer_that_may_pass(
    directory: Path, start_plane: StartPlane, eventually: Callable[..., Awaitable[Any]]
) -> None:
    address = f"unix:{directory}/audit.sock"
    passing = [  # what a receiver answers that is just stopping, is slow, has no room, or is away
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
    ]
    async with (
        answering(address, [*passing, grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT]) as batches,
        start_plane(audit_address=address) as plane,
    ):
        await plane.http.get("/models/nothing/predict")

        async def sent(count: int) -> bool:
            return len(batches) >= count

        await eventually(lambda: sent(5))
        assert len(set(batches)) == 1
        await plane.http.get("/models/nothing/predict")
        await eventually(lambda: sent(6))
        await plane.http.get("/models/nothing/predict")
        await eventually(lambda: sent(7))
        assert len(set(batches)) == 3  # what nobody will ever take is sent once
