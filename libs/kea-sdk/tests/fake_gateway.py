"""A gateway with everything behind it, as small as can be, on one real port.

The client's promises are about the wire: which calls it makes in which order, what it does when they fail, and that
gRPC and HTTP find the same address. A mock of the stubs would test none of it; so a real grpc.aio server and a real
HTTP server stand behind one port, as they do behind Envoy, told apart by the first bytes of a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from typing import Any, Self

import fake_access
from fake_builds import Builds
from fake_services import World, make_server
from kea.deployer.v1 import build_service_pb2_grpc

PREFACE = b"PRI * HTTP/2.0"
TLS = 0x16
"""First byte of who wants to be answered in secret; the connection is closed then."""


class FakeGateway:
    """Runs in a thread of its own, because the client is synchronous."""

    def __init__(self) -> None:
        self.world = World()
        self.access = fake_access.AccessWorld()
        self.url = ""
        self.token = "good"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake gateway")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = make_server(self.world)
        build_service_pb2_grpc.add_BuildServiceServicer_to_server(Builds(self.world), server)
        fake_access.add_to(server, self.world, self.access)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        connections: set[asyncio.Task[Any]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    first = await reader.readexactly(len(PREFACE))
                    if first == PREFACE:
                        await _relay(first, reader, writer, port)
                    elif first[0] != TLS:
                        await self._answer(first, reader, writer)
            except asyncio.CancelledError:  # the gateway ends; asyncio would report it as an error of this callback
                pass
            finally:
                await _closed(writer)
                connections.discard(task)

        front = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        front.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.stop(0)

    async def _answer(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        status, content = self._call(head.split()[1], headers.get("authorization", ""), body)
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode())
        writer.write(content)
        await writer.drain()

    def reset(self) -> None:
        """Makes everything as it was at first."""
        self.world.__init__()
        self.access.__init__()

    def _call(self, path: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        self.world.calls.append(path)
        status, document = 401, {"detail": "the token is not accepted", "reason": "TOKEN_INVALID"}
        if authorization == f"Bearer {self.world.accepted}":
            if path in self.world.answers:
                return self.world.answers[path]
            status, document = self._predict(path, body)
        return status, json.dumps(document).encode()

    def _predict(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        inputs = json.loads(body)
        if "input" not in inputs:
            errors = [{"pointer": "/input", "detail": "is missing", "expected": "every required input"}]
            return 422, {"detail": "/input: is missing", "reason": "INVALID_ARGUMENT", "errors": errors}
        if path.endswith(":validate"):
            return 200, {"valid": True}
        return 200, {"output": [sum(row) for row in inputs["input"]]}


async def _relay(first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
    upstream.write(first)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, upstream))
            tasks.create_task(_copy(upstream_reader, writer))
    finally:
        await _closed(upstream)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async for chunk in _chunks(reader):
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            yield chunk
