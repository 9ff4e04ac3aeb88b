"""An Envoy as pods run it: `python -m kea_gateway.envoy`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from kea_core.testing.tokens import make_token


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Launched:
    """A launched Envoy."""

    environment: dict[str, str]
    process: asyncio.subprocess.Process

    def url(self, port: str = "PORT") -> str:
        return f"http://127.0.0.1:{self.environment[f'KEA_ENVOY_{port}']}"

    async def drain(self) -> asyncio.subprocess.Process:
        return await run("drain", **self.environment)


async def run(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kea_gateway.envoy", *arguments),
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def by_name(path: str) -> AsyncGenerator[str]:
    """Passes connections to a port of localhost on to a unix socket."""

    serving: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_unix_connection(path)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(copy(reader, other_writer))
                tasks.create_task(copy(other_reader, writer))
        finally:
            for one in (writer, other_writer):
                one.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@asynccontextmanager
async def launched(directory: Path, xds_address: str, eventually: Any) -> AsyncGenerator[Launched]:
    environment = {
        "KEA_ENVOY_HOST": "127.0.0.1",
        "KEA_ENVOY_PORT": str(free_port()),
        "KEA_ENVOY_METRICS_PORT": str(free_port()),
        "KEA_ENVOY_XDS_ADDRESS": xds_address,
        "KEA_ENVOY_DIRECTORY": str(directory / "launched"),
        "KEA_ENVOY_ACCESS_LOG": str(directory / "launched.log"),
        "KEA_ENVOY_NODE_ID": "launched",
        "KEA_ENVOY_TRUSTED_PROXIES": "1",
        "KEA_ENVOY_UNREADY_SECONDS": "0.5",
        "KEA_ENVOY_DRAIN_SECONDS": "6",
    }
    process = await run(**environment)
    made = Launched(environment, process)
    try:
        async with httpx.AsyncClient(trust_env=False) as client:

            async def ready() -> bool:
                assert process.returncode is None
                try:
                    return (await client.get(f"{made.url()}/v2/health/ready")).is_success
                except httpx.TransportError:
                    return False

            await eventually(ready)
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_it_finds_its_router_by_name_and_answers_prometheus_with_nothing_else(
    start_plane: Any, directory: Path, eventually: Any
) -> None:
    async with (
        start_plane() as plane,
        by_name(plane.settings.xds_address.removeprefix("unix:")) as xds_address,
        launched(directory, xds_address, eventually) as envoy,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        nodes = {node.id for node in (await plane.status()).nodes}
        assert nodes == {"gateway", "launched"}
        metrics = envoy.url("METRICS_PORT")
        answer = await client.get(f"{metrics}/stats/prometheus")
        assert answer.status_code == 200
        assert "envoy_http_downstream_rq_xx" in answer.text
        for method, path in (("POST", "/quitquitquit"), ("GET", "/config_dump"), ("POST", "/stats/prometheus")):
            assert (await client.request(method, f"{metrics}{path}")).status_code == 404


async def test_it_ends_without_cutting_anybody_off(start_plane: Any, directory: Path, eventually: Any) -> None:
    async with start_plane() as plane, launched(directory, plane.settings.xds_address, eventually) as envoy:
        plane.deploy("v1", await plane.upstream("a"))
        await plane.create("iris", v1=10_000)
        await plane.settled("iris")
        headers, closed = {"authorization": f"Bearer {make_token('admin')}"}, 0
        async with httpx.AsyncClient(base_url=envoy.url(), trust_env=False, headers=headers) as client:
            draining = await envoy.drain()
            began = time.monotonic()
            while not closed or time.monotonic() - began < 1:
                answer = await client.post("/models/iris/predict", json={"x": [1]})
                assert answer.status_code == 200
                closed += answer.headers.get("connection") == "close"
        async with asyncio.timeout(10):
            _, told = await draining.communicate()
        assert (draining.returncode, told) == (0, b"")
        envoy.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await envoy.process.wait() == 0


async def test_the_caller_is_whom_a_trusted_proxy_names(start_plane: Any, directory: Path, eventually: Any) -> None:
    async with (
        start_plane() as plane,
        launched(directory, plane.settings.xds_address, eventually) as envoy,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        told = {"x-forwarded-for": "198.51.100.1, 203.0.113.7"}  # the first is what the caller itself wrote
        await client.get(f"{envoy.url()}/v2/health/live", headers=told)
        envoy.process.send_signal(signal.SIGTERM)
        await envoy.process.wait()
    lines = [json.loads(line) for line in (directory / "launched.log").read_text().splitlines()]
    assert [line["peer"] for line in lines if line["path"] == "/v2/health/live"] == ["203.0.113.7"]


async def test_who_does_not_go_is_waited_for_no_longer_than_told(
    start_plane: Any, directory: Path, eventually: Any
) -> None:
    async with (
        start_plane() as plane,
        launched(directory, plane.settings.xds_address, eventually) as envoy,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await client.get(f"{envoy.url()}/v2/health/ready")  # its connection is kept
        began = time.monotonic()
        draining = await envoy.drain()
        async with asyncio.timeout(12):
            await draining.communicate()
        assert draining.returncode == 0
        assert time.monotonic() - began > 5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), "KEA_ENVOY_XDS_ADDRESS must be set"), (("drain",), "KEA_ENVOY_XDS_ADDRESS must be set")],
)
async def test_what_is_missing_is_told_in_a_line(arguments: tuple[str, ...], told: str) -> None:
    process = await run(*arguments)
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.decode() == f"envoy: {told}\n"
