from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from kea.auth.v1 import token_pb2, token_service_pb2_grpc
from kea_core.client import ASK_AGAIN_SECONDS, DEFAULT_TIMEOUT_SECONDS, OPTIONS, ServiceTokens, open_channel
from kea_core.server import listen
from kea_core.settings import Secret


class Peer(grpc.GenericRpcHandler):
    """Answers any method of any shape, and keeps what came with the last call."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.seconds_left: float | None = None

    def service(self, handler_call_details: Any) -> Any:
        async def one(_request: Any, context: Any) -> bytes:
            self._note(context)
            return b""

        async def many(_request: Any, context: Any) -> AsyncGenerator[bytes, None]:
            self._note(context)
            yield b""

        shape = str(handler_call_details.method).rpartition("/")[2]
        makers = {
            "unary_unary": grpc.unary_unary_rpc_method_handler(one),
            "unary_stream": grpc.unary_stream_rpc_method_handler(many),
            "stream_unary": grpc.stream_unary_rpc_method_handler(one),
        }
        return makers[shape]

    def _note(self, context: Any) -> None:
        self.metadata = dict(context.invocation_metadata())
        self.seconds_left = context.time_remaining()


@asynccontextmanager
async def serving(address: str, handler: Peer | None = None) -> AsyncGenerator[Peer, None]:
    peer = handler or Peer()
    server = grpc.aio.server(handlers=(peer,))
    listen(server, address)
    await server.start()
    try:
        yield peer
    finally:
        await server.stop(0)


async def call(channel: grpc.aio.Channel, shape: str, **arguments: Any) -> None:
    """Makes a call of a shape and reads its answer."""
    method: Any = getattr(channel, shape)(f"/x.Y/{shape}")
    made = method(iter([b""]) if shape.startswith("stream") else b"", **arguments)
    if shape.endswith("stream"):
        assert [answer async for answer in made] == [b""]
    else:
        await made


async def token() -> str:
    return "the-token"


async def test_a_call_of_one_answer_gets_a_bound_where_it_has_none(sockets: Path) -> None:
    address = f"unix:{sockets}/s"
    async with serving(address) as peer, open_channel(address) as channel:
        await call(channel, "unary_unary")
        assert peer.seconds_left is not None
        assert peer.seconds_left == pytest.approx(DEFAULT_TIMEOUT_SECONDS, rel=0.2)  # gRPC rounds what it sends

        await call(channel, "unary_unary", timeout=100)
        assert peer.seconds_left > 50


@pytest.mark.parametrize("shape", ["unary_stream", "stream_unary"])
async def test_a_watch_or_a_transfer_gets_no_bound(sockets: Path, shape: str) -> None:
    address = f"unix:{sockets}/s"
    async with serving(address) as peer, open_channel(address) as channel:
        await call(channel, shape)
    assert peer.seconds_left is None or peer.seconds_left > 1e6


@pytest.mark.parametrize("shape", ["unary_unary", "unary_stream", "stream_unary"])
async def test_calls_of_every_shape_carry_the_token_beside_the_callers_own_metadata(sockets: Path, shape: str) -> None:
    address = f"unix:{sockets}/s"
    async with serving(address) as peer, open_channel(address, token) as channel:
        await call(channel, shape, metadata=(("x-request-id", "r-1"),))
    assert (peer.metadata["authorization"], peer.metadata["x-request-id"]) == ("Bearer the-token", "r-1")


async def test_a_channel_without_a_source_of_tokens_sends_none(sockets: Path) -> None:
    address = f"unix:{sockets}/s"
    async with serving(address) as peer, open_channel(address) as channel:
        await call(channel, "unary_unary")
    assert "authorization" not in peer.metadata


async def test_a_peer_that_was_restarted_is_found_again(sockets: Path) -> None:
    address = f"unix:{sockets}/s"
    async with open_channel(address) as channel:
        async with serving(address):
            await call(channel, "unary_unary")
        with pytest.raises(grpc.aio.AioRpcError):
            await call(channel, "unary_unary")
        async with serving(address):
            began = time.monotonic()
            await call(channel, "unary_unary", wait_for_ready=True)
            assert time.monotonic() - began < 5  # by default gRPC would wait up to two minutes


class Auth(token_service_pb2_grpc.TokenServiceServicer):
    """Gives tokens that are good for 100 seconds of the test's clock, and counts them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.refuses = False

    async def ExchangeServiceCredential(self, request: Any, context: Any) -> token_pb2.Token:  # noqa: N802
        self.asked += 1
        if self.refuses:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        made = token_pb2.Token(access_token=f"{request.service_account_id}-{request.secret}-{self.asked}")
        made.expire_time.FromSeconds(int(self.now) + 100)
        return made

    @asynccontextmanager
    async def serving(self, address: str) -> AsyncGenerator[None, None]:
        server = grpc.aio.server()
        token_service_pb2_grpc.add_TokenServiceServicer_to_server(self, server)
        listen(server, address)
        await server.start()
        try:
            yield
        finally:
            await server.stop(0)


@asynccontextmanager
async def tokens_of(auth: Auth, address: str) -> AsyncGenerator[ServiceTokens, None]:
    async with open_channel(address) as channel:
        yield ServiceTokens(channel, "router", Secret("s3cret"), now=lambda: auth.now)


async def test_a_token_is_kept_for_four_fifths_of_its_life(sockets: Path) -> None:
    auth, address = Auth(), f"unix:{sockets}/auth"
    async with auth.serving(address), tokens_of(auth, address) as tokens:
        assert await tokens() == "router-s3cret-1"
        auth.now += 79
        assert await tokens() == "router-s3cret-1"
        auth.now += 1
        assert await tokens() == "router-s3cret-2"
        auth.now += 79
        assert await tokens() == "router-s3cret-2"


async def test_calls_at_once_ask_for_one_token(sockets: Path) -> None:
    auth, address = Auth(), f"unix:{sockets}/auth"
    async with auth.serving(address), tokens_of(auth, address) as tokens:
        assert set(await asyncio.gather(*(tokens() for _ in range(10)))) == {"router-s3cret-1"}
    assert auth.asked == 1


async def test_a_good_token_is_used_while_auth_is_away_and_auth_is_asked_again_soon(sockets: Path) -> None:
    auth, address = Auth(), f"unix:{sockets}/auth"
    async with tokens_of(auth, address) as tokens:
        async with auth.serving(address):
            await tokens()
        auth.now += 90
        began = time.monotonic()
        assert await tokens() == "router-s3cret-1"
        assert time.monotonic() - began < 1  # nobody waits for an auth that is away
        auth.now += ASK_AGAIN_SECONDS
        async with auth.serving(address), asyncio.timeout(10):
            while await tokens() == "router-s3cret-1":
                auth.now += 0.01  # asked again, once the channel has found auth


async def test_without_a_good_token_an_auth_that_is_away_is_waited_for(sockets: Path) -> None:
    auth, address = Auth(), f"unix:{sockets}/auth"
    async with tokens_of(auth, address) as tokens, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(tokens())
        async with auth.serving(address):
            assert await asking == "router-s3cret-1"


async def test_an_expired_token_is_never_used(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kea_core.client.ASK_SECONDS", 0.1)
    auth, address = Auth(), f"unix:{sockets}/auth"
    async with tokens_of(auth, address) as tokens:
        async with auth.serving(address):
            await tokens()
        auth.now += 100
        with pytest.raises(grpc.aio.AioRpcError):
            await tokens()


async def test_a_refusal_is_told_though_the_token_is_still_good(sockets: Path) -> None:
    auth, address = Auth(), f"unix:{sockets}/auth"
    async with auth.serving(address), tokens_of(auth, address) as tokens:
        await tokens()
        auth.refuses, auth.now = True, auth.now + 90
        with pytest.raises(grpc.aio.AioRpcError, match="UNAUTHENTICATED"):
            await tokens()


def test_a_restarted_peer_is_looked_for_often() -> None:
    assert dict(OPTIONS)["grpc.max_reconnect_backoff_ms"] <= 1000
