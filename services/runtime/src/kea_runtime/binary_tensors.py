"""Tensors as bytes: the layout of OIP's binary tensor extension and of gRPC's raw contents.

Row-major and little-endian; BOOL is one byte, BYTES is a uint32 length and the bytes, for each element.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np
from kea_openapi.signature import Datatype

from kea_runtime.errors import Path, invalid
from kea_runtime.tensors import DTYPES, Array

_LENGTH = struct.Struct("<I")


def decode(buffer: bytes | memoryview, datatype: Datatype, shape: Sequence[int], path: Path = ()) -> Array:
    """Returns an array of its own memory: models may write to it.

    Raises:
        InvalidRequest: the buffer has not the size the shape asks for, or elements that are no such type.
    """
    count = math.prod(shape)
    if datatype is Datatype.BYTES:
        return _decode_text(buffer, count, path).reshape(tuple(shape))
    dtype = DTYPES[datatype]
    size = count * dtype.itemsize
    if len(buffer) != size:
        raise invalid(path, f"has {len(buffer)} bytes", f"{size}, for {datatype.value} of shape {list(shape)}")
    if datatype is Datatype.BOOL and size and int(np.frombuffer(buffer, np.uint8).max()) > 1:
        raise invalid(path, "has a byte that is neither 0 nor 1", "one such byte for each BOOL")
    return np.frombuffer(buffer, dtype).reshape(tuple(shape)).copy()


def encode(array: Array, datatype: Datatype) -> bytes:
    """Returns the bytes of an array of this element type."""
    if datatype is not Datatype.BYTES:
        return np.ascontiguousarray(array, DTYPES[datatype]).tobytes()
    parts: list[bytes] = []
    for element in array.ravel().tolist():
        data = element if isinstance(element, bytes) else str(element).encode()
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def _decode_text(buffer: bytes | memoryview, count: int, path: Path) -> Array:
    view = memoryview(buffer)
    size = len(view)
    offset = 0
    elements: list[str] = []
    while offset < size:
        start = offset + _LENGTH.size
        end = start + _LENGTH.unpack_from(view, offset)[0] if start <= size else start
        if end > size:
            raise invalid(path, f"is truncated in element {len(elements)}", "a uint32 length and that many bytes, each")
        elements.append(text(view[start:end], (*path, len(elements))))
        offset = end
    if len(elements) != count:
        raise invalid(path, f"has {len(elements)} elements", f"{count}, by its shape")
    array = np.empty(count, object)
    array[:] = elements
    return array


def text(data: bytes | memoryview, path: Path) -> str:
    """Returns the text of one BYTES element.

    Raises:
        InvalidRequest: it is not UTF-8.
    """
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise invalid(path, f"is not UTF-8 at byte {error.start}", "text: KEA's BYTES are UTF-8") from error
