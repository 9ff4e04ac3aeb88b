"""The wire: what HTTP/1.1 clients of every kind may send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

GREET = b'{"name": "Ada"}'


@pytest.fixture
def wire(kitchen: Any) -> Iterator[socket.socket]:
    host, port = kitchen.http.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=20)) as connection:
        yield connection


def post(body: bytes = GREET, *headers: str, path: str = "/models/m/greet", verb: str = "POST") -> bytes:
    lines = [f"{verb} {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def read(wire: socket.socket, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += wire.recv(1)
    lines = received.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    length = 0 if head_only else int(headers.get("content-length", 0))
    body = b""
    while len(body) < length:
        body += wire.recv(length - len(body))
    return int(lines[0].split()[1]), headers, body


def ended(wire: socket.socket) -> bool:
    try:
        return wire.recv(1) == b""
    except ConnectionError:
        return True


def test_a_connection_carries_requests_one_after_the_other(wire: socket.socket) -> None:
    for _ in range(3):
        wire.sendall(post())
        assert read(wire)[::2] == (200, b'{"greeting":"hello Ada"}')


def test_pipelined_requests_are_answered_in_order(wire: socket.socket) -> None:
    names = [f"n{number}" for number in range(40)]
    slow = post(b'{"seconds": 0.2}', path="/models/m/slow")
    wire.sendall(slow + b"".join(post(f'{{"name": "{name}"}}'.encode()) for name in names))
    assert read(wire)[2] == b'{"seconds":0.2}'
    for name in names:
        assert read(wire)[2] == f'{{"greeting":"hello {name}"}}'.encode()


def test_a_request_may_come_byte_by_byte(wire: socket.socket) -> None:
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in post():
        wire.sendall(bytes([byte]))
    assert read(wire)[0] == 200


def test_a_chunked_body_is_put_together(wire: socket.socket) -> None:
    head = b"POST /models/m/greet HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    wire.sendall(head + b'4\r\n{"na\r\nb\r\nme": "Ada"}\r\n0\r\n\r\n')
    assert read(wire)[0] == 200


def test_who_expects_to_go_on_is_told_to(wire: socket.socket) -> None:
    request = post(GREET, "expect: 100-continue")
    wire.sendall(request[: -len(GREET)])
    assert read(wire)[0] == 100
    wire.sendall(GREET)
    assert read(wire)[0] == 200


def test_head_has_a_length_and_no_body(wire: socket.socket) -> None:
    wire.sendall(post(b"", path="/healthz", verb="HEAD") + post())
    status, headers, _ = read(wire, head_only=True)
    assert (status, int(headers["content-length"]) > 0) == (200, True)
    assert read(wire)[0] == 200


def test_what_asks_for_it_is_closed_behind_its_answer(wire: socket.socket) -> None:
    wire.sendall(post(GREET, "connection: close"))
    status, headers, _ = read(wire)
    assert (status, headers["connection"]) == (200, "close")
    assert ended(wire)


def test_http_1_0_is_closed_behind_its_answer(wire: socket.socket) -> None:
    wire.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert read(wire)[0] == 200
    assert ended(wire)


@pytest.mark.parametrize("path", ["/models/m/%67reet", "http://elsewhere/models/m/greet", "/models/m/greet?x=1"])
def test_a_path_may_be_spelt_in_several_ways(wire: socket.socket, path: str) -> None:
    wire.sendall(post(path=path))
    assert read(wire)[0] == 200


def test_a_body_beyond_the_limit_is_read_to_its_end_and_refused(wire: socket.socket) -> None:
    wire.sendall(post(b" " * 1_500_000))
    assert read(wire)[0] == 413
    wire.sendall(post())
    assert read(wire)[0] == 200, "the connection is still good"


def test_a_body_far_beyond_the_limit_ends_the_connection(wire: socket.socket) -> None:
    head, _, _ = post(b" " * 20_000_000).partition(b"\r\n\r\n")
    wire.sendall(head + b"\r\n\r\n" + b" " * 2_000_001)
    assert read(wire)[0] == 400
    assert ended(wire)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nbad header: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"x" * 100_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused_and_closed(wire: socket.socket, raw: bytes, status: int) -> None:
    wire.sendall(raw)
    assert read(wire)[0] == status
    assert ended(wire)


def test_who_goes_away_before_the_answer_harms_nobody(kitchen: Any, wire: socket.socket) -> None:
    wire.sendall(post(b'{"seconds": 0.2}', path="/models/m/slow"))
    wire.close()
    host, port = kitchen.http.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=20)) as other:
        other.sendall(post())
        assert read(other)[0] == 200
