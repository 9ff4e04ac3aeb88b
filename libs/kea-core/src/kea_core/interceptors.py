"""The base of all server interceptors, and the order they stand in.

Traps this base is built around (grpcio 1.85): an always-`async for` wrapper breaks methods in reader/writer style
such as Health.Watch; a callable object with an `async __call__` is taken for a synchronous handler; what is raised in
`intercept_service` itself bypasses every other interceptor, so all work is done inside the wrapped behaviour; a
generator whose caller is gone while a message waits to be sent is dropped, not closed, and what the event loop then
closes after the call has been freed takes the process with it when it asks the context for anything.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from contextvars import ContextVar
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Details = grpc.HandlerCallDetails

SHAPES: dict[tuple[bool, bool], tuple[str, Callable[..., grpc.RpcMethodHandler[Any, Any]]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}
"""(request streams, response streams) to the handler's attribute and factory."""


class Around(grpc.aio.ServerInterceptor, ABC):
    """Runs every call, of any shape, inside an asynchronous context manager, exactly once."""

    @abstractmethod
    def around(self, details: Details, context: Context) -> AbstractAsyncContextManager[None]:
        """Returns the context manager one call runs in."""

    def on_request(self, details: Details, message: Any) -> None:
        """Looks at each request message before the method does; raises to refuse it."""

    def on_response(self, details: Details, message: Any) -> None:
        """Looks at each message of a stream of responses before it is sent; raises to end the stream."""

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Any]], handler_call_details: Details
    ) -> Any:
        """Wraps the method's handler."""
        handler = await continuation(handler_call_details)
        if handler is None:  # gRPC answers UNIMPLEMENTED by itself
            return handler
        kind, rebuild = SHAPES[handler.request_streaming, handler.response_streaming]
        behaviour = getattr(handler, kind)
        wrapped = self._wrap(behaviour, handler_call_details, streams_in=bool(handler.request_streaming))
        return rebuild(wrapped, handler.request_deserializer, handler.response_serializer)

    def _wrap(self, behaviour: Callable[..., Any], details: Details, *, streams_in: bool) -> Callable[..., Any]:
        def seen(request: Any) -> Any:
            if streams_in:
                return self._seen(details, request)
            self.on_request(details, request)
            return request

        if inspect.isasyncgenfunction(behaviour):

            async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
                async with self.around(details, context), aclosing(behaviour(seen(request), context)) as messages:
                    async for message in messages:
                        self.on_response(details, message)
                        yield message

            return stream

        async def call(request: Any, context: Context) -> Any:
            async with self.around(details, context):
                return await behaviour(seen(request), context)

        return call

    async def _seen(self, details: Details, requests: AsyncIterable[Any]) -> AsyncIterator[Any]:
        async for message in requests:
            self.on_request(details, message)
            yield message


_streams: ContextVar[AsyncExitStack] = ContextVar("kea_streams")
"""What is to be closed when the present call ends."""


class ClosingStreams(grpc.aio.ServerInterceptor):
    """Stands outermost and closes every stream of messages before its call ends, in the call's own context.

    Args:
        foreign: an interceptor that is not ours, and so may drop the stream within its own.
    """

    def __init__(self, foreign: grpc.aio.ServerInterceptor) -> None:
        self._foreign = foreign

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Any]], handler_call_details: Details
    ) -> Any:
        """Wraps the method's handler around and within the foreign interceptor."""
        generates = False

        async def within(details: Details) -> Any:
            nonlocal generates
            handler = await continuation(details)
            generates = handler is not None and inspect.isasyncgenfunction(_behaviour(handler))
            return _rebuilt(handler, _remembered) if generates else handler

        handler = await self._foreign.intercept_service(within, handler_call_details)
        return _rebuilt(handler, _closed) if generates else handler


def _remembered(behaviour: Callable[..., Any]) -> Callable[..., Any]:
    def opened(request: Any, context: Context) -> Any:
        messages = behaviour(request, context)
        _streams.get().push_async_callback(messages.aclose)
        return messages

    return opened


def _closed(behaviour: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: Context) -> None:
        async with AsyncExitStack() as streams:
            _streams.set(streams)
            messages = await streams.enter_async_context(aclosing(behaviour(request, context)))
            async for message in messages:
                try:
                    await context.write(message)
                except grpc.aio.InternalError as error:  # the caller is gone: nothing that the log should tell as ours
                    raise asyncio.CancelledError from error

    return call


def _behaviour(handler: Any) -> Callable[..., Any]:
    return getattr(handler, SHAPES[handler.request_streaming, handler.response_streaming][0])


def _rebuilt(handler: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
    _, rebuild = SHAPES[handler.request_streaming, handler.response_streaming]
    return rebuild(wrap(_behaviour(handler)), handler.request_deserializer, handler.response_serializer)
