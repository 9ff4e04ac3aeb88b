from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from kea_core.http_server import serve_http
from kea_core.testing.certificates import Authority, mount
from kea_core.tls import open_tls


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def context(directory: Path, *, identified: bool) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    if identified:
        made.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return made


async def test_only_who_shows_a_certificate_is_answered(tmp_path: Path) -> None:
    authority = Authority()
    mount(tmp_path / "server", authority.issue("127.0.0.1").files)
    mount(tmp_path / "client", authority.issue("gateway").files)
    mount(
        tmp_path / "stranger",
        {**Authority().issue("gateway").files, "ca.crt": authority.issue("x").files["ca.crt"]},
    )
    address = f"127.0.0.1:{free_port()}"
    async with (
        asyncio.timeout(20),
        serve_http(answer, address, 1.0, name="test", tls=open_tls(str(tmp_path / "server"))),
    ):
        async with httpx.AsyncClient(verify=context(tmp_path / "client", identified=True), trust_env=False) as known:
            assert (await known.get(f"https://{address}/")).text == "https"
        for directory, identified in (("client", False), ("stranger", True)):
            verify = context(tmp_path / directory, identified=identified)
            async with httpx.AsyncClient(verify=verify, trust_env=False) as unknown:
                with pytest.raises(httpx.TransportError):
                    await unknown.get(f"https://{address}/")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_everywhere_is_by_ipv4_and_by_ipv6(host: str) -> None:
    port = free_port()
    async with serve_http(answer, f"[::]:{port}", 1.0, name="test"), httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{host}:{port}/")).text == "http"


async def test_a_unix_socket_of_one_machine_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "s"
    mount(tmp_path / "server", Authority().issue("127.0.0.1").files)
    tls = open_tls(str(tmp_path / "server"))
    serving = serve_http(answer, f"unix:{path}", 1.0, name="test", tls=tls)
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with asyncio.timeout(20), serving, httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://kea/")).text == "http"
