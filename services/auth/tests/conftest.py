"""Auth, run whole, for tests."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from kea.auth.v1 import (
    access_service_pb2_grpc,
    binding_pb2,
    binding_service_pb2,
    binding_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
    service_account_pb2,
    service_account_service_pb2,
    service_account_service_pb2_grpc,
    signing_key_service_pb2_grpc,
    token_service_pb2_grpc,
)
from kea_auth.domain.claims import Claims
from kea_auth.main import run
from kea_auth.settings import AuthSettings
from kea_auth.store.key_store import SqlKeyStore
from kea_auth.store.tables import FEED
from kea_core import status
from kea_core.change_feed import ChangeFeed
from kea_core.client import open_channel
from kea_core.database import DatabaseSettings, open_database
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

    @property
    def roles(self) -> role_service_pb2_grpc.RoleServiceStub:
        return role_service_pb2_grpc.RoleServiceStub(self.channel)

    @property
    def bindings(self) -> binding_service_pb2_grpc.BindingServiceStub:
        return binding_service_pb2_grpc.BindingServiceStub(self.channel)

    @property
    def accounts(self) -> service_account_service_pb2_grpc.ServiceAccountServiceStub:
        return service_account_service_pb2_grpc.ServiceAccountServiceStub(self.channel)

    @property
    def access(self) -> access_service_pb2_grpc.AccessServiceStub:
        return access_service_pb2_grpc.AccessServiceStub(self.channel)

    def admin_token(self) -> str:
        return Path(self.settings.bootstrap_token_file).read_text()

    def as_admin(self) -> tuple[tuple[str, str], ...]:
        return bearer(self.admin_token())

    async def as_user(self, subject: str, *groups: str, **claims: Any) -> tuple[tuple[str, str], ...]:
        """Returns what is sent with calls of anybody, with a token such as an identity provider's would lead to."""
        async with open_database(self.settings.database) as sessions:
            keys = await SqlKeyStore(sessions, ChangeFeed(sessions, FEED)).keys()
        now = datetime.now(UTC)
        whole: dict[str, Any] = {
            "token": str(uuid.uuid4()),
            "create_time": now,
            "expire_time": now + timedelta(hours=8),
        } | claims
        return bearer(Claims(subject=subject, groups=groups, **whole).sign(keys[0]))

    async def bind(self, member: str, role: str, resource: str = "") -> binding_pb2.Binding:
        binding = binding_pb2.Binding(member=member, role=f"roles/{role}", resource=resource)
        request = binding_service_pb2.CreateBindingRequest(binding=binding)
        return await self.bindings.CreateBinding(request, metadata=self.as_admin())

    async def unbind(self, member: str, role: str, resource: str = "") -> None:
        binding = binding_pb2.Binding(member=member, role=f"roles/{role}", resource=resource)
        request = binding_service_pb2.DeleteBindingRequest(binding=binding)
        await self.bindings.DeleteBinding(request, metadata=self.as_admin())

    async def make_role(self, role: str, *permissions: str) -> role_pb2.Role:
        request = role_service_pb2.CreateRoleRequest(role_id=role, role=role_pb2.Role(permissions=permissions))
        return await self.roles.CreateRole(request, metadata=self.as_admin())

    async def make_account(self, account: str) -> service_account_pb2.ServiceAccount:
        request = service_account_service_pb2.CreateServiceAccountRequest(service_account_id=account)
        return await self.accounts.CreateServiceAccount(request, metadata=self.as_admin())

    async def make_key(self, account: str, **fields: Any) -> service_account_pb2.ApiKey:
        request = service_account_service_pb2.CreateApiKeyRequest(
            parent=f"serviceAccounts/{account}", api_key=service_account_pb2.ApiKey(**fields)
        )
        return await self.accounts.CreateApiKey(request, metadata=self.as_admin())

    @staticmethod
    async def refused(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
        """Returns code and reason of a call that must not succeed."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        info = status.error_info(caught.value)
        assert info is not None, caught.value
        return caught.value.code(), info.reason


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
    async def start(clock: FakeClock | None = None, **changes: Any) -> AsyncGenerator[Auth, None]:
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
