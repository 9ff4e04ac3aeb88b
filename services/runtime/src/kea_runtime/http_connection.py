"""One HTTP/1.1 connection (RFC 9112) on the event loop that also calls the model.

A server of its own, because a server in another thread costs more than the model here: each request crosses two threads
and the interpreter's lock is fought over (docs/adr/0009). Parsing is llhttp's, by httptools; what is left is small.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast
from urllib.parse import unquote

import httptools

from kea_runtime.answers import Answer

MAX_HEAD_BYTES = 64 * 1024
"""Longest request line with all headers."""
MAX_PIPELINED = 16
"""Requests of one connection that wait; while there are more, nothing is read."""
MAX_CONNECTIONS = 4096
"""Further ones are closed at once; each has one call in hand at most."""
READ_SECONDS = 60.0
"""Longest silence in the midst of a request. Between requests a connection may be silent: Envoy keeps it for later."""
SWEEP_SECONDS = 10.0

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BROKEN = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_STATUS_LINES = {status: f"HTTP/1.1 {status}\r\n".encode() for status in range(200, 600)}


class Request:
    """One request, whole."""

    __slots__ = ("body", "headers", "keep_alive", "path", "verb")

    def __init__(self, verb: str, path: str, headers: dict[bytes, bytes]) -> None:
        self.verb = verb
        self.path = path
        """Without the query, percent-decoded."""
        self.headers = headers
        self.body: bytes | None = b""
        """None: it was longer than allowed, and has been dropped."""
        self.keep_alive = True

    def header(self, name: str) -> str | None:
        """Returns a header by its name in lower case; the last one where it was sent twice."""
        value = self.headers.get(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1")


Handler = Callable[[Request], Awaitable[Answer]]
"""Answers one request; never raises."""


class Connections:
    """The connections of one server.

    Args:
        handler: what answers.
        max_body_bytes: largest body that is kept; as much again is read and dropped before the connection is given up.
    """

    def __init__(self, handler: Handler, max_body_bytes: int) -> None:
        self.handler = handler
        self.max_body_bytes = max_body_bytes
        self.open: set[Connection] = set()
        self._all_closed = asyncio.Event()

    def make(self) -> Connection:
        """Returns the protocol of a new connection."""
        return Connection(self)

    def forget(self, connection: Connection) -> None:
        """Takes note that one has closed."""
        self.open.discard(connection)
        if not self.open:
            self._all_closed.set()

    async def sweep(self) -> None:
        """Closes, for ever, connections whose request does not go on."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for connection in list(self.open):
                if connection.silent_since < loop.time() - READ_SECONDS:
                    connection.abort()

    async def close(self, flush_seconds: float) -> None:
        """Closes them all; what is written already may still leave for a while."""
        self._all_closed.clear()
        for connection in list(self.open):
            connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(flush_seconds if self.open else 0):
                await self._all_closed.wait()
        for connection in list(self.open):
            connection.abort()


class Connection(asyncio.Protocol):
    """Parses requests, answers them in order."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._close_after = False
        self.silent_since = math.inf
        """When the last part of a request came that is not whole yet, in the loop's time; infinity between requests."""
        self._begin()

    def close(self) -> None:
        """Closes it once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.open.add(self)
        if len(self._connections.open) > MAX_CONNECTIONS:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends; nobody waits for the answer any more."""
        del exc
        self._connections.forget(self)
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Takes no more requests while answers pile up."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Takes requests again."""
        if self._transport is not None and len(self._waiting) <= MAX_PIPELINED:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parses what came."""
        if self.silent_since != math.inf:
            self.silent_since = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._close_after = True  # nothing is upgraded to; the request itself has been taken
        except httptools.HttpParserError:
            self._refuse(_BROKEN)

    def on_message_begin(self) -> None:
        """Begins a request."""
        self._begin()
        self.silent_since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        """Takes a part of the target."""
        self._head_bytes += len(url)
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Has the head."""
        length = self._headers.get(b"content-length", b"0")
        self._too_large = int(length) > self._connections.max_body_bytes
        if self._transport is not None and self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body."""
        self._size += len(body)
        limit = self._connections.max_body_bytes
        if self._size > limit:
            self._too_large = True
            self._parts.clear()
            if self._size > 2 * limit:
                self._refuse(_BROKEN)
        elif not self._too_large:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Has a request."""
        self.silent_since = math.inf
        if self._transport is None or self._transport.is_closing():
            return
        request = Request(self._parser.get_method().decode("latin-1"), _path(self._url), self._headers)
        parts = self._parts
        request.body = None if self._too_large else parts[0] if len(parts) == 1 else b"".join(parts)
        request.keep_alive = self._parser.should_keep_alive()
        self._waiting.append(request)
        if self._task is None:
            self._next()
        elif len(self._waiting) > MAX_PIPELINED:
            self._transport.pause_reading()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._too_large = False

    def _next(self) -> None:
        self._task = self._loop.create_task(self._answer(self._waiting.popleft()))

    async def _answer(self, request: Request) -> None:
        answer = await self._connections.handler(request)
        self._task = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        last = self._close_after or not request.keep_alive or answer.last
        head = [_STATUS_LINES[answer.status]]
        head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in answer.headers]
        head.append(b"content-length: %d\r\n%b\r\n" % (len(answer.body), b"connection: close\r\n" if last else b""))
        if request.verb != "HEAD":
            head.append(answer.body)
        transport.write(b"".join(head))
        if last:
            transport.close()
        elif self._waiting:
            transport.resume_reading()
            self._next()

    def _refuse(self, response: bytes) -> None:
        """Answers what cannot be answered in any protocol's shape, and closes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(response)
            self._transport.close()


def _path(url: bytes) -> str:
    path = url.partition(b"?")[0]
    if not path.startswith(b"/"):  # the absolute form, which proxies use
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text
