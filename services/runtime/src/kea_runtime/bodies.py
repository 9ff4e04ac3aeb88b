"""Request bodies: read, decompressed and parsed within bounds."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Protocol

import orjson

from kea_runtime.errors import BodyTooLarge, UnsupportedEncoding, invalid

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's window bits by content coding; `deflate` means the zlib format."""


class Incoming(Protocol):
    """What a transport tells about a request."""

    verb: str
    header: Callable[[str], str | None]
    """Looks a header up by its name in lower case."""

    def whole(self) -> Awaitable[bytes]:
        """Returns all of the body."""
        ...

    def chunks(self) -> AsyncIterable[bytes]:
        """Returns what yields the body as it comes."""
        ...


async def read_body(request: Incoming, limit: int) -> bytes:
    """Returns the body, decompressed.

    Raises:
        BodyTooLarge: as sent or decompressed it exceeds the limit; no more than that was buffered.
        InvalidRequest: it cannot be decompressed.
        UnsupportedEncoding: it is compressed in another way than gzip or deflate.
    """
    declared = request.header("content-length")
    if declared is not None and declared.isdecimal():
        if int(declared) > limit:
            raise BodyTooLarge(limit)
        body = await request.whole()
    else:
        body = await _read_bounded(request, limit)
    encoding = request.header("content-encoding")
    return body if encoding is None else _decompress(body, encoding, limit)


async def _read_bounded(request: Incoming, limit: int) -> bytes:
    """Returns a body of unknown length.

    What exceeds the limit is read on for as much again and dropped: who still sends when the connection closes sees a
    reset in place of the answer.
    """
    body = bytearray()
    size = 0
    async for chunk in request.chunks():
        size += len(chunk)
        if size <= limit:
            body += chunk
        elif size > 2 * limit:
            break
        else:
            body.clear()
    if size > limit:
        raise BodyTooLarge(limit)
    return bytes(body)


def _decompress(body: bytes, encoding: str, limit: int) -> bytes:
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in _WINDOWS:
        raise UnsupportedEncoding(encoding)
    stream = zlib.decompressobj(_WINDOWS[name])
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise invalid((), f"is not {name}: {error}") from error
    if len(plain) > limit:
        raise BodyTooLarge(limit)
    if not stream.eof or stream.unused_data:
        raise invalid((), f"is not one complete {name} stream")
    return plain


def parse_json(body: bytes | memoryview) -> Any:
    """Returns the JSON document.

    Raises:
        InvalidRequest: it is none; the text says where it stops being one.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid((), f"is not JSON: {error.msg} (offset {error.pos})", "a JSON document") from error
