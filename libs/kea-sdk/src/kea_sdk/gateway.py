"""Calls through the gateway: one address for gRPC and HTTP, a token and a bound on every call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc

from kea_sdk.error_mapping import from_rpc
from kea_sdk.errors import Unauthenticated, Unavailable, Unreachable
from kea_sdk.login_token import token_of
from kea_sdk.settings import ClientSettings

if TYPE_CHECKING:
    import httpx

    from kea_sdk.http_connection import HttpConnection

CALL_SECONDS = 15.0
"""Longest time of a call that names no other."""
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2
MAX_MESSAGE_BYTES = 8 * 1024 * 1024

StubT = TypeVar("StubT")


class Gateway:
    """The connection to one KEA. May be shared by threads.

    Args:
        settings: where it is and who asks.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._token = token_of(settings)
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # A platform that is being restarted should be found again at once; the default backs off to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.enable_http_proxy", 0 if settings.loopback else 1),
        ]
        if settings.secure:
            self._channel = grpc.secure_channel(settings.target, grpc.ssl_channel_credentials(), options)
        else:
            self._channel = grpc.insecure_channel(settings.target, options)
        self._opening = threading.Lock()
        self._opened: HttpConnection | None = None

    def close(self) -> None:
        """Closes the connections."""
        if self._opened is not None:
            self._opened.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def stub(self, kind: Callable[[grpc.Channel], StubT]) -> StubT:
        """Returns the stub of a service."""
        return kind(self._channel)

    def call(self, method: Any, request: Any, *, timeout: float = CALL_SECONDS, repeatable: bool = False) -> Any:
        """Calls a method of one answer.

        Args:
            method: of a stub.
            request: the message; for an upload a function that gives the messages, from the first on.
            timeout: seconds, for each attempt.
            repeatable: whether doing it twice is doing it once: it only reads, or carries a request id.

        Raises:
            KeaClientError: the call failed.
        """

        def attempt() -> Any:
            message = request() if callable(request) else request
            try:
                return method(message, timeout=timeout, metadata=self._metadata())
            except grpc.RpcError as error:
                raise from_rpc(error, self.settings.url) from error

        return self._persistently(attempt, repeatable=repeatable)

    def stream(self, method: Any, request: Any, *, timeout: float | None = None) -> Iterator[Any]:
        """Calls a method of many answers. It ends when the caller stops asking.

        Raises:
            KeaClientError: the call failed.
        """
        call = method(request, timeout=timeout, metadata=self._metadata())
        started = False
        try:
            for message in call:
                started = True
                yield message
        except grpc.RpcError as error:
            problem = from_rpc(error, self.settings.url)
            if not started and isinstance(problem, Unauthenticated) and self._token.renew():
                yield from self.stream(method, request, timeout=timeout)
            else:
                raise problem from error
        finally:
            call.cancel()

    def post(self, path: str, body: bytes, *, timeout: float) -> httpx.Response:
        """Posts JSON to a model.

        Raises:
            KeaClientError: there was no answer, or one that tells of an error.
        """
        http = self._http()
        return self._persistently(
            lambda: http.post(path, body, self._authorization(), timeout=timeout), repeatable=False
        )

    def _http(self) -> HttpConnection:
        with self._opening:
            if self._opened is None:
                from kea_sdk.http_connection import HttpConnection

                self._opened = HttpConnection(self.settings.url, trust_env=not self.settings.loopback)
            return self._opened

    def _persistently(self, attempt: Callable[[], Any], *, repeatable: bool) -> Any:
        pause = FIRST_PAUSE_SECONDS
        attempts = ATTEMPTS if repeatable else 1
        renewed = False
        while True:
            attempts -= 1
            try:
                return attempt()
            except Unauthenticated:
                if renewed or not self._token.renew():
                    raise
                renewed = True
                attempts += 1
            except Unreachable:  # nothing listens: a person is told at once, rather than after some more tries
                raise
            except Unavailable:
                if attempts < 1:
                    raise
                time.sleep(pause)
                pause *= 2

    def _metadata(self) -> list[tuple[str, str]]:
        return list(self._authorization().items())

    def _authorization(self) -> Mapping[str, str]:
        token = self._token.value()
        return {"authorization": f"Bearer {token}"} if token else {}
