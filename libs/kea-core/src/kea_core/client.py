"""Calls to other services: channels that carry a token and put a bound on every call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from kea.auth.v1 import token_service_pb2, token_service_pb2_grpc

from kea_core.identity import Identity
from kea_core.renewed_channel import RenewedChannel
from kea_core.settings import Secret
from kea_core.tls import Tls, channel_credentials

DEFAULT_TIMEOUT_SECONDS = 10.0
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
REFRESH_AT = 0.8
"""Part of a token's life after which a new one is asked for."""
ASK_SECONDS = 5.0
"""Longest wait for auth's answer."""
ASK_AGAIN_SECONDS = 5.0
"""Time until auth is asked again where it was away and the last token is still good."""
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

KEEPALIVE_MS = 30_000
"""Silence after which a peer is asked whether it is still there; `kea_core.server` bears with as much."""

TokenSource = Callable[[], Awaitable[str]]
"""Returns a token that is good for the next call."""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A peer that is restarted should be found again at once; the default backs off to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
)


class _CallDetails(grpc.aio.ClientCallDetails):
    """Call details with other metadata; grpc's own cannot be built from outside with all their fields."""


class _Attach:
    """Adds the token, and a deadline to calls of one answer that have none."""

    def __init__(self, tokens: TokenSource | None) -> None:
        self._tokens = tokens

    async def __call__(self, details: Any, *, bounded: bool) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if self._tokens is not None:
            metadata.add("authorization", f"Bearer {await self._tokens()}")
        timeout = details.timeout
        if timeout is None and bounded:
            timeout = DEFAULT_TIMEOUT_SECONDS
        return _CallDetails(details.method, timeout, metadata, details.credentials, details.wait_for_ready)


# One class per shape: grpc files an interceptor of several shapes under the first it finds only. A watch or a
# transfer ends when it ends; calls of one answer are bounded.


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, attach: _Attach) -> None:
        self._attach = attach

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(await self._attach(client_call_details, bounded=True), request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, attach: _Attach) -> None:
        self._attach = attach

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(await self._attach(client_call_details, bounded=False), request)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    def __init__(self, attach: _Attach) -> None:
        self._attach = attach

    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(await self._attach(client_call_details, bounded=False), request_iterator)


@asynccontextmanager
async def open_channel(
    address: str, tokens: TokenSource | None = None, *, tls: Tls | None = None
) -> AsyncGenerator[grpc.aio.Channel, None]:
    """Opens a channel to `unix:PATH` or `HOST:PORT`; the latter by TLS where there is one.

    Calls of one answer end after `DEFAULT_TIMEOUT_SECONDS` where no other bound is given.
    """
    attach = _Attach(tokens)
    interceptors = [_UnaryUnary(attach), _UnaryStream(attach), _StreamUnary(attach)]

    def secure(identity: Identity) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(
            address, channel_credentials(identity), options=OPTIONS, interceptors=interceptors
        )

    if tls is None or address.startswith("unix:"):  # permissions of its directory protect a socket
        channel = grpc.aio.insecure_channel(address, options=OPTIONS, interceptors=interceptors)
    else:
        channel = RenewedChannel(tls, secure)
    try:
        yield channel
    finally:
        await channel.close()


@dataclass(slots=True)
class _Held:
    token: str
    refresh_at: float
    expires_at: float


class ServiceTokens:
    """Tokens of one service's own account, asked of auth when needed and kept while they are good."""

    def __init__(
        self, auth: grpc.aio.Channel, service_account_id: str, secret: Secret, *, now: Callable[[], float] = time.time
    ) -> None:
        self._stub = token_service_pb2_grpc.TokenServiceStub(auth)
        self._request = token_service_pb2.ExchangeServiceCredentialRequest(
            service_account_id=service_account_id, secret=secret.reveal()
        )
        self._now = now
        self._held: _Held | None = None
        self._asking = asyncio.Lock()

    async def __call__(self) -> str:
        """Returns a token that is good for the next call.

        Raises:
            grpc.aio.AioRpcError: auth refuses, or does not answer and the last token has expired.
        """
        async with self._asking:
            held = self._held
            if held is None or self._now() >= held.expires_at:
                held = await self._ask(wait=True)
            elif self._now() >= held.refresh_at:
                try:
                    held = await self._ask(wait=False)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in AWAY:
                        raise
                    held.refresh_at = self._now() + ASK_AGAIN_SECONDS  # what is held is still good
            self._held = held
            return held.token

    async def _ask(self, *, wait: bool) -> _Held:
        made = await self._stub.ExchangeServiceCredential(self._request, timeout=ASK_SECONDS, wait_for_ready=wait)
        now, expires = self._now(), float(made.expire_time.seconds)
        return _Held(made.access_token, now + (expires - now) * REFRESH_AT, expires)
