"""Request bodies: read, decompressed and parsed within bounds."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from kea_runtime.errors import BodyTooLarge, UnsupportedEncoding, invalid
from kea_runtime.http_connection import Request

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's window bits by content coding; `deflate` means the zlib format."""


def read_body(request: Request, limit: int) -> bytes:
    """Returns the body, decompressed.

    Raises:
        BodyTooLarge: as sent or decompressed it exceeds the limit; no more than that was kept.
        InvalidRequest: it cannot be decompressed.
        UnsupportedEncoding: it is compressed in another way than gzip or deflate.
    """
    if request.body is None:
        raise BodyTooLarge(limit)
    encoding = request.header("content-encoding")
    return request.body if encoding is None else _decompress(request.body, encoding, limit)


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
