"""What the Open Inference Protocol asks of the server as a whole. Models answer for themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import Message
from kea_core.interceptors import Context

from kea_gateway.inference_messages import message_class

SERVICE = "inference.GRPCInferenceService"

ANSWERS: dict[str, dict[str, Any]] = {
    "ServerLive": {"live": True},
    "ServerReady": {"ready": True},
    "ServerMetadata": {"name": "kea", "version": "2", "extensions": ["binary_tensor_data"]},
}
"""Answers by method. That one comes says that the server lives; a gateway that routes is ready, and whether a model is,
ModelReady tells. Envoy sends nothing else here."""


def inference_handler() -> grpc.GenericRpcHandler:
    """Returns the handler of these methods."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            _answering(message_class(f"{name}Response")(**answer)),
            request_deserializer=message_class(f"{name}Request").FromString,
            response_serializer=message_class(f"{name}Response").SerializeToString,
        )
        for name, answer in ANSWERS.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _answering(answer: Message) -> Callable[[Message, Context], Awaitable[Message]]:
    async def method(request: Message, context: Context) -> Message:
        del request, context
        return answer

    return method
