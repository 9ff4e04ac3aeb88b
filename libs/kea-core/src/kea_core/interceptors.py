"""The base of all server interceptors, and the order they stand in.

Traps this base is built around (grpcio 1.85): an always-`async for` wrapper breaks methods in reader/writer style
such as
Health.Watch; a callable object with an `async __call__` is taken for a synchronous handler; what is raised in
`intercept_service` itself bypasses every other interceptor, so all work is done inside the wrapped behaviour.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
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
                async with self.around(details, context):
                    async for message in behaviour(seen(request), context):
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
