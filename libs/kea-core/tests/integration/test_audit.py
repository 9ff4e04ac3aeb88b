from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf import empty_pb2
from kea.otlp.v1 import logs_pb2
from kea.registry.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from kea_core.audit_call import changed
from kea_core.audit_outbox import AuditOutbox, audit_table
from kea_core.audit_reporting import reporting
from kea_core.audit_shipper import MOST_WAITING
from kea_core.audit_trail import CLIENT_ADDRESS
from kea_core.change_feed import ChangeFeed, feed_tables
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings, Sessions, open_database
from kea_core.errors import NotFound
from kea_core.server import ServedService, serve
from kea_core.settings import DrainSettings
from kea_core.testing.tokens import known_authority, make_token
from prometheus_client import CollectorRegistry
from sqlalchemy.schema import CreateSchema

METADATA = sa.MetaData()
FEED = feed_tables(METADATA)
EVENTS = audit_table(METADATA)
MODELS = sa.Table("models", METADATA, sa.Column("name", sa.String(100), primary_key=True))


class ModelGone(NotFound):
    reason = "MODEL_GONE"


@dataclass
class Collector:
    """Takes batches as auth does."""

    away: bool = False
    events: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, batch: bytes) -> None:
        if self.away:
            problem = "away"
            raise ConnectionError(problem)
        for logs in logs_pb2.LogsData.FromString(batch).resource_logs:
            source = logs.resource.attributes[0].value.string_value
            for record in logs.scope_logs[0].log_records:
                told = {entry.key: entry.value.string_value for entry in record.attributes}
                self.events.append({"source": source} | told)
        self.arrived.set()

    async def some(self, count: int) -> list[dict[str, str]]:
        async with asyncio.timeout(20):
            while len(self.events) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.events


class Models(model_service_pb2_grpc.ModelServiceServicer):
    """Keeps names, by the change feed or beside it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._feed = ChangeFeed(sessions, FEED)

    async def CreateModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: ARG002, N802
        name = f"{request.parent}/models/{request.model_id}"
        async with self._sessions.transaction() as session:
            await session.execute(sa.insert(MODELS).values(name=name))
            await self._feed.record(session, "models", name)
            if request.model.description == "fails":
                raise ModelGone(name)
            if request.model.description == "breaks":
                await session.execute(sa.insert(MODELS).values(name=name))
        return model_pb2.Model(name=name)

    async def DeleteModel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: ARG002, N802
        async with self._sessions.transaction() as session:
            await session.execute(sa.delete(MODELS).where(MODELS.c.name == request.name))
            changed(request.name, deleted=True)
        return empty_pb2.Empty()

    async def UpdateModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: ARG002, N802
        return request.model

    async def GetModel(self, request: Any, context: Any) -> model_pb2.Model:  # noqa: ARG002, N802
        raise ModelGone(request.name)


@dataclass
class Served:
    models: model_service_pb2_grpc.ModelServiceStub
    sessions: Sessions
    collector: Collector
    metrics: CollectorRegistry
    as_role: Callable[[str], list[tuple[str, str]]]

    def create(self, name: str, description: str = "", **more: Any) -> Any:
        request = model_service_pb2.CreateModelRequest(
            parent="projects/p", model_id=name, model=model_pb2.Model(description=description), **more
        )
        return self.models.CreateModel(request, metadata=self.as_role("admin"))

    async def rows(self, table: sa.Table) -> int:
        async with self.sessions.reading() as session:
            return int((await session.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


def as_role(role: str) -> list[tuple[str, str]]:
    token = make_token(role, jti="token-1", sid="session-1")
    return [
        ("authorization", f"Bearer {token}"),
        ("x-request-id", "request-1"),
        (CLIENT_ADDRESS, "203.0.113.7"),
    ]


@asynccontextmanager
async def served(settings: DatabaseSettings, address: str) -> AsyncGenerator[Served, None]:
    collector, metrics, outbox = Collector(), CollectorRegistry(), AuditOutbox(EVENTS)
    async with open_database(settings, outbox=outbox) as sessions:
        async with sessions.engine.begin() as connection:
            if settings.schema:
                await connection.execute(CreateSchema(settings.schema))
            await connection.run_sync(METADATA.create_all)
            await connection.execute(sa.insert(FEED.head).values(id=1, revision=0, horizon=0))
        service = ServedService(
            "kea.registry.v1.ModelService",
            lambda server: model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(sessions), server),
        )
        drain = DrainSettings(grace_seconds=1)
        async with (
            reporting(collector, "registry", metrics, outbox=outbox, sessions=sessions) as tell,
            serve(address, [service], authority=known_authority(), metrics=metrics, drain=drain, tell=tell),
            open_channel(address) as channel,
        ):
            yield Served(model_service_pb2_grpc.ModelServiceStub(channel), sessions, collector, metrics, as_role)


@pytest.fixture
def address(sockets: Path) -> str:
    return f"unix:{sockets}/s.sock"


async def test_a_change_is_an_event_that_says_who_what_and_why(database: DatabaseSettings, address: str) -> None:
    async with served(database, address) as server:
        await server.create("m")
        (event,) = await server.collector.some(1)
        assert len(event.pop("kea.event.id")) == 32
        assert event == {
            "source": "registry",
            "user.id": "users/ada",
            "kea.token.id": "token-1",
            "kea.session.id": "session-1",
            "kea.action": "registry.models.create",
            "kea.resource": "projects/p/models/m",
            "kea.decision": "allowed",
            "kea.rule": "bindings/admin",
            "kea.outcome": "OK",
            "kea.request.id": "request-1",
            "client.address": "203.0.113.7",
            "rpc.method": "/kea.registry.v1.ModelService/CreateModel",
        }
        await server.models.DeleteModel(
            model_service_pb2.DeleteModelRequest(name="projects/p/models/m"), metadata=as_role("admin")
        )
        events = await server.collector.some(2)
        assert (events[1]["kea.resource"], events[1]["kea.outcome"]) == ("projects/p/models/m", "DELETED")


@pytest.mark.parametrize(("how", "code"), [("fails", "NOT_FOUND"), ("breaks", "INTERNAL")])
async def test_a_change_that_is_rolled_back_is_no_event_but_the_attempt_is(
    database: DatabaseSettings, address: str, how: str, code: str
) -> None:
    async with served(database, address) as server:
        server.collector.away = True
        with pytest.raises(grpc.aio.AioRpcError):
            await server.create("m", how)
        assert await server.rows(MODELS) == await server.rows(EVENTS) == 0
        server.collector.away = False
        (event,) = await server.collector.some(1)
        assert (event["kea.outcome"], event["kea.resource"]) == (code, "projects/p/models/m")


async def test_events_wait_in_the_database_until_they_have_arrived(database: DatabaseSettings, address: str) -> None:
    async with served(database, address) as server:
        server.collector.away = True
        for name in ("a", "b", "c"):
            await server.create(name)
        assert await server.rows(MODELS) == await server.rows(EVENTS) == 3
    server.collector.away = False
    outbox = AuditOutbox(EVENTS)
    async with (
        open_database(database, outbox=outbox) as sessions,
        reporting(server.collector, "registry", CollectorRegistry(), outbox=outbox, sessions=sessions),
    ):
        outbox.filled.set()
        events = await server.collector.some(3)
    assert sorted(event["kea.resource"] for event in events) == [f"projects/p/models/{name}" for name in "abc"]
    async with open_database(database) as sessions, sessions.reading() as session:
        assert (await session.execute(sa.select(EVENTS))).all() == []


async def test_refusals_are_events_and_reads_are_not(database: DatabaseSettings, address: str) -> None:
    async with served(database, address) as server:
        get = model_service_pb2.GetModelRequest(name="projects/p/models/m")
        with pytest.raises(grpc.aio.AioRpcError):
            await server.models.GetModel(get, metadata=as_role("admin"))  # is not there, and that is no decision
        with pytest.raises(grpc.aio.AioRpcError):
            await server.models.GetModel(get, metadata=[("authorization", "Bearer secret-that-is-none")])
        with pytest.raises(grpc.aio.AioRpcError):
            await server.models.GetModel(get, metadata=as_role("consumer"))
        events = await server.collector.some(2)
        assert [(event["kea.decision"], event["kea.outcome"], event.get("user.id")) for event in events] == [
            ("denied", "UNAUTHENTICATED", None),
            ("denied", "PERMISSION_DENIED", "users/ada"),
        ]
        assert {event["kea.resource"] for event in events} == {"projects/p/models/m"}
        assert {event["kea.action"] for event in events} == {"registry.models.get"}
        assert "secret" not in str(events)


async def test_what_changes_nothing_in_a_database_is_told_too_but_not_what_is_only_checked(
    database: DatabaseSettings, address: str
) -> None:
    async with served(database, address) as server:
        checked = model_service_pb2.UpdateModelRequest(model=model_pb2.Model(name="a"), validate_only=True)
        await server.models.UpdateModel(checked, metadata=as_role("admin"))
        done = model_service_pb2.UpdateModelRequest(model=model_pb2.Model(name="projects/p/models/b"))
        await server.models.UpdateModel(done, metadata=as_role("admin"))
        (event,) = await server.collector.some(1)
        assert (event["kea.resource"], event["kea.outcome"]) == ("projects/p/models/b", "OK")


async def test_what_nobody_asked_for_is_no_event(database: DatabaseSettings, address: str) -> None:
    async with served(database, address) as server:
        server.collector.away = True
        async with server.sessions.transaction() as session:
            await ChangeFeed(server.sessions, FEED).record(session, "models", "projects/p/models/m")
        assert await server.rows(EVENTS) == 0


async def test_refusals_that_cannot_be_sent_are_bounded_and_counted(database: DatabaseSettings, address: str) -> None:
    async with served(database, address) as server:
        server.collector.away = True
        get = model_service_pb2.GetModelRequest(name="projects/p/models/m")
        for _ in range(MOST_WAITING + 3):
            with pytest.raises(grpc.aio.AioRpcError):
                await server.models.GetModel(get)
        # An answer arrives before its call has ended and is told.
        async with asyncio.timeout(10):
            while (dropped := server.metrics.get_sample_value("kea_audit_queue_dropped_total")) != 3:
                assert dropped is None or dropped < 3
                await asyncio.sleep(0.01)
        server.collector.away = False
        assert len(await server.collector.some(MOST_WAITING)) == MOST_WAITING
