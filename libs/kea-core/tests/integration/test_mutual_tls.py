"""Both sides of mutual TLS on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea_core.client import open_channel
from kea_core.server import listen, serve
from kea_core.settings import DrainSettings
from kea_core.testing.certificates import Authority, Issued, mount
from kea_core.testing.tokens import known_authority
from kea_core.tls import Tls
from prometheus_client import CollectorRegistry

HOST = "127.0.0.1"
METHODS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Peer(grpc.GenericRpcHandler):
    """Answers `/x/SHAPE`, streams at once and again once it is told to, and keeps callers' certificates."""

    def __init__(self) -> None:
        self.callers: list[bytes] = []
        self.go_on = asyncio.Event()
        self.address = ""

    def service(self, handler_call_details: Any) -> Any:
        async def one(_request: Any, context: Any) -> bytes:
            self._note(context)
            return b"1"

        async def many(_request: Any, context: Any) -> AsyncGenerator[bytes, None]:
            self._note(context)
            yield b"1"
            await self.go_on.wait()
            yield b"2"

        shape = str(handler_call_details.method).rpartition("/")[2]
        return getattr(grpc, f"{shape}_rpc_method_handler")(many if shape.endswith("stream") else one)

    def _note(self, context: Any) -> None:
        self.callers.append(context.auth_context().get("x509_pem_cert", [b""])[0])


def free_address() -> str:
    with socket.create_server((HOST, 0)) as probe:
        return f"{HOST}:{probe.getsockname()[1]}"


@asynccontextmanager
async def serving(tls: Tls | None, address: str = "") -> AsyncGenerator[Peer, None]:
    peer = Peer()
    server = grpc.aio.server(handlers=(peer,), options=[("grpc.so_reuseport", 0)])
    peer.address = address or free_address()
    listen(server, peer.address, tls)
    await server.start()
    try:
        yield peer
    finally:
        await server.stop(0)


def tls_of(directory: Path, issued: Issued) -> Tls:
    return Tls(mount(directory, issued.files), look_seconds=0)


async def call(channel: grpc.aio.Channel) -> bytes:
    method: Any = channel.unary_unary("/x/unary_unary")
    return await method(b"", timeout=10)


async def refused(channel: AbstractAsyncContextManager[grpc.aio.Channel]) -> str:
    """Returns what is told of a connection that does not come about."""
    async with channel as opened:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(opened)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    return str(caught.value.debug_error_string())


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server_tls(authority: Authority, tmp_path: Path) -> Tls:
    return tls_of(tmp_path / "server", authority.issue(HOST))


@pytest.fixture
def client_tls(authority: Authority, tmp_path: Path) -> Tls:
    return tls_of(tmp_path / "client", authority.issue("client"))


async def test_both_sides_show_a_certificate(server_tls: Tls, client_tls: Tls) -> None:
    async with serving(server_tls) as peer, open_channel(peer.address, tls=client_tls) as channel:
        assert await call(channel) == b"1"
        assert peer.callers == [client_tls.identity().certificate]


async def test_a_plaintext_client_is_refused(server_tls: Tls) -> None:
    async with serving(server_tls) as peer:
        await refused(open_channel(peer.address))
        assert not peer.callers


async def test_a_client_without_a_certificate_is_refused(server_tls: Tls) -> None:
    async with serving(server_tls) as peer:
        only_authorities = grpc.ssl_channel_credentials(server_tls.identity().authorities)
        await refused(grpc.aio.secure_channel(peer.address, only_authorities))
        assert not peer.callers


async def test_a_client_of_another_authority_is_refused(server_tls: Tls, authority: Authority, tmp_path: Path) -> None:
    other = Authority("other").issue("client")
    trusting = Issued(other.certificate, other.key, authority.issue("x").authority)
    async with serving(server_tls) as peer:
        await refused(open_channel(peer.address, tls=tls_of(tmp_path / "other", trusting)))
        assert not peer.callers


async def test_a_server_of_another_authority_is_refused(client_tls: Tls, authority: Authority, tmp_path: Path) -> None:
    other = Authority("other").issue(HOST)
    trusting = Issued(other.certificate, other.key, authority.issue("x").authority)
    async with serving(tls_of(tmp_path / "other", trusting)) as peer:
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(open_channel(peer.address, tls=client_tls))


async def test_a_server_with_the_certificate_of_another_host_is_refused(
    client_tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    async with serving(tls_of(tmp_path / "other", authority.issue("localhost"))) as peer:
        await refused(open_channel(peer.address, tls=client_tls))
        async with open_channel(peer.address.replace(HOST, "localhost"), tls=client_tls) as channel:
            assert await call(channel) == b"1"


async def test_a_plaintext_server_is_refused(client_tls: Tls) -> None:
    async with serving(None) as peer:
        await refused(open_channel(peer.address, tls=client_tls))


async def test_sockets_of_this_machine_stay_plaintext(server_tls: Tls, client_tls: Tls, sockets: Path) -> None:
    address = f"unix:{sockets}/s"
    async with serving(server_tls, address):
        for tls in (client_tls, None):
            async with open_channel(address, tls=tls) as channel:
                assert await call(channel) == b"1"


async def test_probes_are_told_the_health_of_a_server_without_tls(server_tls: Tls, client_tls: Tls) -> None:
    request, (address, health_address) = health_pb2.HealthCheckRequest(), (free_address() for _ in range(2))
    serving_it = serve(
        address,
        (),
        authority=known_authority(),
        metrics=CollectorRegistry(),
        drain=DrainSettings(unready_seconds=0.5),
        tls=server_tls,
        health_address=health_address,
    )
    async with open_channel(address, tls=client_tls) as channel, open_channel(health_address) as probes:
        health, probed = (cast("Any", health_pb2_grpc.HealthStub(it)) for it in (channel, probes))
        server = await serving_it.__aenter__()
        assert (await probed.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await server.ready()
        assert (await probed.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
        watch = probed.Watch(request)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving_it.__aexit__(None, None, None))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert (await probed.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def shown_certificate(address: str, directory: Path) -> bytes:
    """Returns the certificate that a server shows on a new connection, as PEM."""
    context = ssl.create_default_context(cafile=directory / "ca.crt")
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(shown).encode()


async def test_a_server_shows_a_renewed_certificate_and_keeps_its_connections(
    server_tls: Tls, client_tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    async with serving(server_tls) as peer, open_channel(peer.address, tls=client_tls) as channel:
        await call(channel)
        renewed = authority.issue(HOST)
        mount(tmp_path / "server", renewed.files)
        assert await shown_certificate(peer.address, tmp_path / "client") == renewed.certificate
        mount(tmp_path / "server", {**authority.issue(HOST).files, "tls.key": b"broken"})
        assert await shown_certificate(peer.address, tmp_path / "client") == renewed.certificate
        await call(channel)


async def test_a_client_shows_a_renewed_certificate_without_losing_a_call(
    server_tls: Tls, client_tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    shown = [client_tls.identity().certificate]
    async with serving(server_tls) as peer, open_channel(peer.address, tls=client_tls) as channel:
        stopping = asyncio.Event()
        await call(channel)

        async def keep_calling() -> int:
            count = 0
            while not stopping.is_set():
                assert await call(channel) == b"1"
                count += 1
            return count

        async with asyncio.TaskGroup() as tasks:
            callers = [tasks.create_task(keep_calling()) for _ in range(8)]
            for _ in range(5):
                renewed = authority.issue("client")
                mount(tmp_path / "client", renewed.files)
                shown.append(renewed.certificate)
                while renewed.certificate not in peer.callers:  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.01)
            stopping.set()
        assert set(peer.callers) == set(shown)
        assert 1 + sum(task.result() for task in callers) == len(peer.callers)


async def test_calls_of_every_shape_go_on_while_the_certificate_is_renewed(
    server_tls: Tls, client_tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    async with serving(server_tls) as peer, open_channel(peer.address, tls=client_tls) as channel:
        assert isinstance(channel, grpc.aio.Channel)
        methods = [getattr(channel, shape)(f"/x/{shape}") for shape in METHODS]

        def begin() -> list[Any]:
            requests = [b"" if shape.startswith("unary") else iter([b""]) for shape in METHODS]
            return [method(request, wait_for_ready=True) for method, request in zip(methods, requests, strict=True)]

        begun = begin()
        streams = [begun[1], begun[3]]
        assert [await stream.read() for stream in streams] == [b"1", b"1"]
        renewed = authority.issue("client")
        mount(tmp_path / "client", renewed.files)
        again = begin()
        assert [await call for call in (begun[0], begun[2], again[0], again[2])] == [b"1"] * 4
        assert [await again[number].read() for number in (1, 3)] == [b"1", b"1"]
        assert peer.callers.count(renewed.certificate) == len(METHODS)
        peer.go_on.set()
        assert [await stream.read() for stream in streams] == [b"2", b"2"]


async def test_a_channel_is_closed_after_its_last_call(
    server_tls: Tls, client_tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    async with serving(server_tls) as peer, open_channel(peer.address, tls=client_tls) as channel:
        watch: Any = channel.unary_stream("/x/unary_stream")(b"")
        assert await watch.read() == b"1"
        old = channel.line().channel  # pyright: ignore[reportAttributeAccessIssue]
        mount(tmp_path / "client", authority.issue("client").files)
        await call(channel)
        assert old.get_state() is grpc.ChannelConnectivity.READY
        peer.go_on.set()
        assert [answer async for answer in watch] == [b"2"]
        async with asyncio.timeout(10):
            while old.get_state() is not grpc.ChannelConnectivity.SHUTDOWN:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        await call(channel)


async def test_authorities_are_renewed_like_certificates(server_tls: Tls, client_tls: Tls, tmp_path: Path) -> None:
    other = Authority("other")
    async with serving(server_tls) as peer, open_channel(peer.address, tls=client_tls) as channel:
        await call(channel)
        mount(tmp_path / "server", other.issue(HOST).files)
        renewed = other.issue("client")
        mount(tmp_path / "client", renewed.files)
        await call(channel)
        assert peer.callers[-1] == renewed.certificate
