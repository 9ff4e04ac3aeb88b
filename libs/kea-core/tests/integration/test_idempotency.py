from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from kea.registry.v1 import model_pb2, model_service_pb2
from kea_core.database import DatabaseSettings, Sessions, is_unique_violation, open_database
from kea_core.errors import RequestIdReused
from kea_core.idempotency import KEPT, SeenRequests, digest_of, request_table
from kea_core.principal import Principal, set_principal
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateSchema

METADATA = sa.MetaData()
REQUESTS = request_table(METADATA)
ID = str(uuid4())


class FakeClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Seen:
    """Seen requests, each step in a transaction of its own."""

    def __init__(self, sessions: Sessions, clock: FakeClock) -> None:
        self._sessions = sessions
        self._seen = SeenRequests(REQUESTS, clock=clock)

    async def result(self, request_id: str, digest: str) -> str | None:
        async with self._sessions.transaction() as session:
            return await self._seen.result(session, request_id, digest)

    async def remember(self, request_id: str, digest: str, result: str) -> None:
        async with self._sessions.transaction() as session:
            await self._seen.remember(session, request_id, digest, result)

    async def count(self) -> int:
        async with self._sessions.reading() as session:
            return int((await session.execute(sa.select(sa.func.count()).select_from(REQUESTS))).scalar_one())


@asynccontextmanager
async def open_seen(settings: DatabaseSettings, clock: FakeClock | None = None) -> AsyncGenerator[Seen, None]:
    async with open_database(settings) as sessions:
        async with sessions.engine.begin() as connection:
            if settings.schema:
                await connection.execute(CreateSchema(settings.schema))
            await connection.run_sync(METADATA.create_all)
        yield Seen(sessions, clock or FakeClock())


async def test_the_same_request_is_told_what_it_made(database: DatabaseSettings) -> None:
    async with open_seen(database) as seen:
        assert await seen.result(ID, "digest") is None
        await seen.remember(ID, "digest", "models/m")
        assert await seen.result(ID, "digest") == "models/m"
        assert await seen.result(ID.upper(), "digest") == "models/m"
        assert await seen.result(str(uuid4()), "digest") is None


async def test_an_id_that_another_request_had_is_refused(database: DatabaseSettings) -> None:
    async with open_seen(database) as seen:
        await seen.remember(ID, "digest", "models/m")
        with pytest.raises(RequestIdReused) as caught:
            await seen.result(ID, "another")
        assert caught.value.metadata == {"request_id": ID}


async def test_two_callers_may_choose_the_same_id(database: DatabaseSettings) -> None:
    async with open_seen(database) as seen:
        await seen.remember(ID, "digest", "models/m")
        set_principal(Principal("users/grace"))
        assert await seen.result(ID, "another") is None
        await seen.remember(ID, "another", "models/n")
        assert await seen.result(ID, "another") == "models/n"


async def test_a_request_is_forgotten_after_a_day(database: DatabaseSettings) -> None:
    clock = FakeClock()
    async with open_seen(database, clock) as seen:
        await seen.remember(ID, "digest", "models/m")
        clock.now += KEPT
        assert await seen.result(ID, "digest") == "models/m"
        clock.now += timedelta(seconds=1)
        assert await seen.result(ID, "digest") is None
        assert await seen.result(ID, "another") is None
        await seen.remember(ID, "another", "models/n")
        assert await seen.result(ID, "another") == "models/n"
        assert await seen.count() == 1


async def test_without_an_id_nothing_is_promised(database: DatabaseSettings) -> None:
    async with open_seen(database) as seen:
        await seen.remember("", "digest", "models/m")
        assert await seen.result("", "digest") is None
        assert await seen.count() == 0


async def test_of_two_at_once_the_database_lets_one_through(database: DatabaseSettings) -> None:
    async with open_seen(database) as seen:
        await seen.remember(ID, "digest", "models/m")
        with pytest.raises(IntegrityError) as caught:
            await seen.remember(ID, "digest", "models/m")
        assert is_unique_violation(caught.value)


def test_a_digest_tells_methods_and_messages_apart() -> None:
    messages = [
        model_service_pb2.CreateModelRequest(parent="projects/p", model_id="m"),
        model_service_pb2.CreateModelRequest(parent="projects/p", model_id="m", request_id=ID),
        model_service_pb2.CreateModelRequest(parent="projects/p", model_id="m", model=model_pb2.Model()),
    ]
    digests = {digest_of(method, message) for method in ("CreateModel", "CreateOther") for message in messages}
    assert len(digests) == 6
    assert digest_of("CreateModel", messages[0]) == digest_of(
        "CreateModel", model_service_pb2.CreateModelRequest.FromString(messages[0].SerializeToString())
    )
