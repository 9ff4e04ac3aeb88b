"""Auth, run whole, for tests."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from kea.auth.v1 import signing_key_service_pb2_grpc, token_service_pb2_grpc
from kea_auth.main import run
from kea_auth.settings import AuthSettings
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings
from prometheus_client import CollectorRegistry

SECRET = "s" * 40


class FakeClock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        # Near the present: the verifier compares with the real clock.
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass
class Auth:
    """A running auth and stubs to call it."""

    settings: AuthSettings
    clock: FakeClock
    channel: grpc.aio.Channel

    @property
    def tokens(self) -> token_service_pb2_grpc.TokenServiceStub:
        return token_service_pb2_grpc.TokenServiceStub(self.channel)

    @property
    def keys(self) -> signing_key_service_pb2_grpc.SigningKeyServiceStub:
        return signing_key_service_pb2_grpc.SigningKeyServiceStub(self.channel)

    def admin_token(self) -> str:
        return Path(self.settings.bootstrap_token_file).read_text()

    def as_admin(self) -> tuple[tuple[str, str], ...]:
        return bearer(self.admin_token())


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


StartAuth = Callable[..., AbstractAsyncContextManager[Auth]]


@pytest.fixture
def socket_directory() -> Generator[Path, None, None]:
    # Paths of unix sockets are short: pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="kea") as directory:
        yield Path(directory)


@pytest.fixture
def start_auth(database: DatabaseSettings, socket_directory: Path) -> StartAuth:
    """Starts auth; called twice, a second process's worth of it on the same database."""
    count = 0

    @asynccontextmanager
    async def start(clock: FakeClock | None = None, **changes: float) -> AsyncGenerator[Auth, None]:
        nonlocal count
        count += 1
        credentials = socket_directory / "credentials"
        credentials.mkdir(exist_ok=True)
        for account in ("deployer", "portal", "stranger"):
            file = credentials / account
            file.touch()
            file.chmod(0o644 if account == "portal" else 0o600)
            file.write_text(SECRET + "\n")
        settings = AuthSettings(
            address=f"unix:{socket_directory}/auth{count}.sock",
            database=database,
            service_credentials_directory=credentials,
            bootstrap_token_file=str(socket_directory / f"admin{count}.token"),
            upkeep_seconds=0.05,
            drain=DrainSettings(grace_seconds=0.1),
        )
        settings = replace(settings, **changes)
        clock = clock or FakeClock()
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(run(settings, stop, ready.set, metrics=CollectorRegistry(), clock=clock))
            await ready.wait()
            try:
                async with open_channel(settings.address) as channel:
                    yield Auth(settings, clock, channel)
            finally:
                stop.set()

    return start
