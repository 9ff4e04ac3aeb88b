"""Protocol Buffers' wire format, as much of it as OIP's messages use.

Written by hand because models pin protobuf, and the runtime must not care which one. Format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_GROUP_START, _GROUP_END = 3, 4

_MAX_VARINT_BYTES = 10
_FIXED64 = struct.Struct("<Q")
_FIXED32 = struct.Struct("<I")
_WORD = 1 << 64
_MAX_GROUP_DEPTH = 64

Value = int | memoryview
"""A varint or fixed-width number as an unsigned integer, or a length-delimited field's bytes."""


class WireError(ValueError):
    """The bytes are no message of the expected kind."""


def fields(buffer: bytes | memoryview) -> Iterator[tuple[int, int, Value]]:
    """Yields each field's number, wire type and value. Groups, which proto3 has not, are skipped.

    Raises:
        WireError: the bytes end too early or have an unknown wire type.
    """
    view = memoryview(buffer)
    size = len(view)
    offset = 0
    while offset < size:
        key, offset = read_varint(view, offset)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            message = f"field number {number} does not exist"
            raise WireError(message)
        if wire_type == _GROUP_START:
            offset = _skip_group(view, offset, number)
            continue
        value, offset = _value(view, offset, wire_type)
        yield number, wire_type, value


def _value(view: memoryview, offset: int, wire_type: int) -> tuple[Value, int]:
    if wire_type == VARINT:
        return read_varint(view, offset)
    if wire_type == LENGTH:
        length, offset = read_varint(view, offset)
        end = offset + length
        value: Value = view[offset:end]
    elif wire_type == FIXED64:
        end = offset + 8
        value = _FIXED64.unpack_from(view, offset)[0] if end <= len(view) else 0
    elif wire_type == FIXED32:
        end = offset + 4
        value = _FIXED32.unpack_from(view, offset)[0] if end <= len(view) else 0
    else:
        message = f"wire type {wire_type} is not expected here"
        raise WireError(message)
    if end > len(view):
        message = "the message is truncated"
        raise WireError(message)
    return value, end


def _skip_group(view: memoryview, offset: int, number: int) -> int:
    """Returns the offset behind a group and the groups in it."""
    open_groups = [number]
    while open_groups:
        key, offset = read_varint(view, offset)
        number, wire_type = key >> 3, key & 7
        if wire_type == _GROUP_START:
            open_groups.append(number)
        elif wire_type == _GROUP_END:
            if open_groups.pop() != number:
                message = "a group ends that was not begun"
                raise WireError(message)
        else:
            _, offset = _value(view, offset, wire_type)
        if len(open_groups) > _MAX_GROUP_DEPTH:
            message = "groups are nested too deep"
            raise WireError(message)
    return offset


def read_varint(view: memoryview, offset: int) -> tuple[int, int]:
    """Returns a varint of at most 64 bits and the offset behind it.

    Raises:
        WireError: it is truncated or too long.
    """
    result = 0
    for position in range(_MAX_VARINT_BYTES):
        if offset >= len(view):
            message = "a varint is truncated"
            raise WireError(message)
        byte = view[offset]
        offset += 1
        result |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return result % _WORD, offset
    message = "a varint is longer than ten bytes"
    raise WireError(message)


def varints(value: Value, wire_type: int) -> Iterator[int]:
    """Yields the numbers of one occurrence of a repeated varint field, packed or not."""
    if isinstance(value, int):
        expect(wire_type, VARINT)
        yield value
        return
    offset = 0
    while offset < len(value):
        number, offset = read_varint(value, offset)
        yield number


def expect(actual: int, wanted: int) -> None:
    """Checks a known field's wire type.

    Raises:
        WireError: it is another.
    """
    if actual != wanted:
        message = f"a field has wire type {actual} instead of {wanted}"
        raise WireError(message)


def number(value: Value) -> int:
    """Returns the value of a varint or fixed-width field.

    Raises:
        WireError: the field is length-delimited.
    """
    if not isinstance(value, int):
        message = "a number is length-delimited"
        raise WireError(message)
    return value


def data(value: Value) -> memoryview:
    """Returns the bytes of a length-delimited field.

    Raises:
        WireError: the field is a number.
    """
    if isinstance(value, int):
        message = "a length-delimited field is a number"
        raise WireError(message)
    return value


def text(value: Value) -> str:
    """Returns a string field.

    Raises:
        WireError: it is not UTF-8.
    """
    try:
        return str(data(value), "utf-8")
    except UnicodeDecodeError as error:
        message = f"a string is not UTF-8: {error}"
        raise WireError(message) from error


def signed(value: int) -> int:
    """Returns an int64 or int32 from its varint, which is the 64-bit two's complement."""
    return value - _WORD if value >= _WORD >> 1 else value


def varint(value: int) -> bytes:
    """Returns a number as a varint; negative ones as 64-bit two's complement."""
    value %= _WORD
    if value < 0x80:  # noqa: PLR2004 - the continuation bit
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - the continuation bit
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """Returns a length-delimited field: bytes, a string's UTF-8, a message, or packed numbers."""
    return b"".join((varint(number << 3 | LENGTH), varint(len(content)), content))


def string(number: int, value: str) -> bytes:
    """Returns a string field, which is left out when empty."""
    return field(number, value.encode()) if value else b""


def packed(number: int, values: Iterable[int]) -> bytes:
    """Returns a packed repeated varint field, which is left out when empty."""
    content = b"".join(map(varint, values))
    return field(number, content) if content else b""
