"""The end of an Envoy that callers still know: SIGTERM alone would cut off whoever is connected."""

from __future__ import annotations

import json
import socket
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

LOOK_SECONDS = 0.2
ADMIN_SECONDS = 5.0
"""Longest wait for an answer of the admin page."""
ACTIVE = "http.gateway.downstream_cx_active"


def drain(admin_socket: Path, *, unready_seconds: float, drain_seconds: float) -> bool:
    """Has Envoy send its callers elsewhere; returns whether all went in time. It is to be stopped afterwards.

    Envoy goes on answering, and new callers come as long as they have not heard of the end: `unready_seconds` at least.

    Raises:
        OSError: there is no Envoy.
    """
    began = time.monotonic()
    _ask(admin_socket, "POST", "/drain_listeners?graceful&skip_exit")
    time.sleep(unready_seconds)
    while True:
        if not _connections(admin_socket):
            return True
        if time.monotonic() - began + LOOK_SECONDS > drain_seconds:
            return False
        time.sleep(LOOK_SECONDS)


def _connections(admin_socket: Path) -> int:
    answer = _ask(admin_socket, "GET", f"/stats?format=json&filter=^{ACTIVE.replace('.', '[.]')}$")
    return sum(entry.get("value", 0) for entry in json.loads(answer)["stats"])


class _AdminConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("admin", timeout=ADMIN_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ADMIN_SECONDS)
        self.sock.connect(str(self._path))


def _ask(admin_socket: Path, method: str, path: str) -> bytes:
    connection = _AdminConnection(admin_socket)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    except HTTPException as error:
        problem = f"Envoy's admin page does not answer: {error!r}"
        raise OSError(problem) from error
    finally:
        connection.close()
