"""A gRPC channel that takes a renewed certificate, which grpc's own cannot: its credentials are those it began with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from kea_core.identity import Identity
from kea_core.tls import Tls


class _Line:
    """A channel with the credentials of one identity, and how many calls are on it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0


class RenewedChannel(grpc.aio.Channel):
    """Begins every call on a channel of the identity that holds then.

    Calls that have begun stay where they are, and a channel is closed after its last one. That includes watches, which
    may last for ever: whom they speak with was checked when the connection was made, and to cut them off from here
    would look like a cancellation by their own caller. Who watches again after an interruption is on a new channel.

    Args:
        tls: tells the identity.
        make: makes a channel for an identity.
    """

    def __init__(self, tls: Tls, make: Callable[[Identity], grpc.aio.Channel]) -> None:
        self._tls = tls
        self._make = make
        self._identity = tls.identity()
        self._line = _Line(make(self._identity))
        self._lines = {self._line}
        self._closing: set[asyncio.Future[None]] = set()

    def line(self) -> _Line:
        """Returns where the next call begins."""
        identity = self._tls.identity()
        if identity is not self._identity:
            before, self._line = self._line, _Line(self._make(identity))
            self._identity = identity
            self._lines.add(self._line)
            self._close_idle(before)
        return self._line

    def carry(self, line: _Line, call: Any) -> Any:
        """Returns a call, for whose end the line is kept open."""
        line.calls += 1

        def ended(_: object) -> None:
            line.calls -= 1
            self._close_idle(line)

        call.add_done_callback(ended)
        return call

    def _close_idle(self, line: _Line) -> None:
        if line is not self._line and not line.calls and line in self._lines:
            self._lines.remove(line)
            closing = asyncio.ensure_future(line.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self, grace: float | None = None) -> None:
        """Ends all calls, after `grace` seconds at most."""
        await asyncio.gather(*self._closing, *(line.channel.close(grace) for line in self._lines))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - grpc's name
        """Returns the state of the connection that the next call takes."""
        return self.line().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits for another state of that connection."""
        await self.line().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until that connection is there."""
        await self.line().channel.channel_ready()

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        """Returns a method of one request and one answer."""
        return _Method(self, "unary_unary", arguments, options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """Returns a method of one request and many answers."""
        return _Method(self, "unary_stream", arguments, options)

    def stream_unary(self, *arguments: Any, **options: Any) -> Any:
        """Returns a method of many requests and one answer."""
        return _Method(self, "stream_unary", arguments, options)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """Returns a method of many requests and many answers."""
        return _Method(self, "stream_stream", arguments, options)


class _Method:
    """A method, made anew for each channel that it is called on."""

    def __init__(
        self, channel: RenewedChannel, shape: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._shape = shape
        self._arguments = arguments
        self._options = options
        self._line: _Line | None = None
        self._made: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        line = self._channel.line()
        if line is not self._line:
            self._made = getattr(line.channel, self._shape)(*self._arguments, **self._options)
            self._line = line
        return self._channel.carry(line, self._made(*arguments, **options))
