"""People and their browsers, as Envoy sends them to auth."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from kea.auth.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc
from kea_auth.login.settings import LoginSettings

PASSWORD = "correct horse battery"
ORIGIN = {"origin": "http://kea"}


@asynccontextmanager
async def web(auth: Any) -> AsyncGenerator[httpx.AsyncClient, None]:
    transport = httpx.AsyncHTTPTransport(uds=auth.settings.login.http_address.removeprefix("unix:"))
    async with httpx.AsyncClient(transport=transport, base_url="http://kea", headers=ORIGIN) as client:
        yield client


def with_login(directory: Path, **changes: Any) -> dict[str, Any]:
    return {"login": LoginSettings(http_address=f"unix:{directory}/login.sock", **changes)}


def users(auth: Any) -> Any:
    return user_service_pb2_grpc.UserServiceStub(auth.channel)


async def make(auth: Any, user: str, *groups: str, metadata: Any = None, **fields: Any) -> user_pb2.User:
    request = user_service_pb2.CreateUserRequest(
        user_id=user, user=user_pb2.User(password=PASSWORD, groups=groups), **fields
    )
    return await users(auth).CreateUser(request, metadata=metadata or auth.as_admin())


async def log_in(client: httpx.AsyncClient, user: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/login/local?return_to=/docs", data={"user": user, "password": password})
