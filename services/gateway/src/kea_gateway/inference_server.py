"""What the Open Inference Protocol asks of the server as a whole. Models answer for themselves."""

from __future__ import annotations

from typing import Any

import grpc
from kea.inference.v2 import open_inference_grpc_pb2 as messages
from kea.inference.v2 import open_inference_grpc_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
EXTENSIONS = ("binary_tensor_data",)


class InferenceServerServicer(open_inference_grpc_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers ServerLive, ServerReady and ServerMetadata; Envoy sends nothing else here."""

    async def ServerLive(  # noqa: N802 - the protocol's name
        self, request: messages.ServerLiveRequest, context: Context
    ) -> messages.ServerLiveResponse:
        """This answer is the answer."""
        del request, context
        return messages.ServerLiveResponse(live=True)

    async def ServerReady(  # noqa: N802 - the protocol's name
        self, request: messages.ServerReadyRequest, context: Context
    ) -> messages.ServerReadyResponse:
        """A gateway that routes is ready; whether a model is, ModelReady tells."""
        del request, context
        return messages.ServerReadyResponse(ready=True)

    async def ServerMetadata(  # noqa: N802 - the protocol's name
        self, request: messages.ServerMetadataRequest, context: Context
    ) -> messages.ServerMetadataResponse:
        """Returns KEA's name and version."""
        del request, context
        return messages.ServerMetadataResponse(name="kea", version="2", extensions=EXTENSIONS)
