"""OIP V2 over gRPC: `inference.GRPCInferenceService`, from bytes to bytes.

As KServe does, the answer mirrors the call: raw contents in, raw contents out; typed in, typed out. A call without
inputs gets raw contents, which is all that tritonclient reads. FP16 is raw only.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import numpy as np
from kea_openapi.signature import Datatype

from kea_runtime import binary_tensors, oip, oip_messages
from kea_runtime.answers import public_text
from kea_runtime.errors import (
    BodyTooLarge,
    CallError,
    Draining,
    InvalidRequest,
    ModelFailed,
    NotFound,
    OutputInvalid,
    OutputNotRepresentable,
    Overloaded,
    Path,
    UnsupportedEncoding,
    VerbNotAllowed,
    invalid,
)
from kea_runtime.failures import log_failure
from kea_runtime.fields import ServedField
from kea_runtime.methods import ServedMethod, ServedModel
from kea_runtime.protobuf_wire import WireError
from kea_runtime.tensors import Array, check_count

SERVICE = "inference.GRPCInferenceService"

CODES: dict[type[CallError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    VerbNotAllowed: grpc.StatusCode.UNIMPLEMENTED,
    BodyTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnsupportedEncoding: grpc.StatusCode.UNIMPLEMENTED,
    Overloaded: grpc.StatusCode.UNAVAILABLE,
    Draining: grpc.StatusCode.UNAVAILABLE,
    ModelFailed: grpc.StatusCode.INTERNAL,
    OutputInvalid: grpc.StatusCode.INTERNAL,
    OutputNotRepresentable: grpc.StatusCode.INTERNAL,
    CallError: grpc.StatusCode.INTERNAL,
}
"""The one table from errors to gRPC."""

_MAX_DETAILS = 1024
"""Characters; details travel in a header, and proxies bound those."""

Handler = Callable[[bytes, str], Awaitable[bytes]]
"""Takes a request, and the method that the gateway decided on; empty where it decided on the model as a whole."""
METHOD_HEADER = "x-kea-method"


class OipGrpc:
    """The service's methods, bytes in and bytes out; they raise `CallError`."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def handlers(self) -> dict[str, Handler]:
        """Returns the methods by name."""
        return {
            "ServerLive": self._flag,
            "ServerReady": self._flag,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }

    async def _flag(self, _request: bytes, _decided: str) -> bytes:
        return oip_messages.write_flag(True)

    async def _model_ready(self, request: bytes, decided: str) -> bytes:
        self._addressed(*oip_messages.read_names(request), decided)
        return oip_messages.write_flag(True)

    async def _server_metadata(self, _request: bytes, _decided: str) -> bytes:
        return oip_messages.write_server_metadata(oip.server_metadata())

    async def _model_metadata(self, request: bytes, decided: str) -> bytes:
        name, version = oip_messages.read_names(request)
        method = self._addressed(name, version, decided)
        return oip_messages.write_model_metadata(oip.model_metadata(self._model, method, name))

    async def _infer(self, buffer: bytes, decided: str) -> bytes:
        request = oip_messages.read_infer_request(buffer)
        method = self._addressed(request.model_name, request.model_version, decided)
        typed = any(tensor.contents for tensor in request.inputs)
        raw = request.raw_input_contents
        if raw and (typed or len(raw) != len(request.inputs)):
            found = f"has {len(raw)} entries"
            raise invalid(("raw_input_contents",), found, f"{len(request.inputs)}, one per input, and no contents")
        inputs = oip.TensorInputs(method)
        for index, tensor in enumerate(request.inputs):
            path: Path = ("inputs", index)
            shape = oip.read_shape(tensor.shape, (*path, "shape"))
            read = _raw_reader(raw[index]) if raw else _typed_reader(tensor)
            inputs.add(tensor.name, tensor.datatype, shape, path, read)
        wanted = oip.requested(method, request.outputs, ("outputs",))
        outputs = await method.call(inputs.finish())
        arrays = [(field, field.to_tensor(outputs[field.name])) for field in wanted]
        return self._encode(request, arrays, typed=bool(request.inputs) and not raw)

    def _addressed(self, name: str, version: str, decided: str) -> ServedMethod:
        """Returns the method that a message means.

        What a message says twice, two readers may read differently: the method the caller was let through for must be
        the one that is called.
        """
        if decided and name.rpartition(".")[2] != decided:
            raise invalid(("model_name",), "names another method than the one that the gateway decided on")
        return self._model.addressed(name, version)

    def _encode(
        self, request: oip_messages.ModelInferRequest, arrays: list[tuple[ServedField, Array]], *, typed: bool
    ) -> bytes:
        if typed and any(field.reader.tensor.datatype is Datatype.FP16 for field, _ in arrays):
            message = "FP16 outputs are raw only; send the inputs raw"
            raise OutputNotRepresentable(message)
        return oip_messages.write_infer_response(
            name=request.model_name,
            version=str(self._model.version),
            call_id=request.id,
            outputs=[
                oip_messages.write_tensor(field.name, field.reader.tensor.datatype, array, typed=typed)
                for field, array in arrays
            ],
            raw=()
            if typed
            else [binary_tensors.encode(array, field.reader.tensor.datatype) for field, array in arrays],
        )


def _raw_reader(data: memoryview) -> oip.Read:
    def read(field: ServedField, shape: tuple[int, ...], path: Path) -> Array:
        return binary_tensors.decode(data, field.reader.tensor.datatype, shape, path)

    return read


def _typed_reader(tensor: oip_messages.InferTensor) -> oip.Read:
    """Returns the reader of typed contents, which have the same rules as JSON but may hold NaN and infinity."""

    def read(field: ServedField, shape: tuple[int, ...], path: Path) -> Array:
        datatype = field.reader.tensor.datatype
        number = oip_messages.CONTENTS.get(datatype)
        where = (*path, "contents")
        if number is None:
            raise invalid(where, f"cannot hold {datatype.value}", "raw_input_contents")
        elements: list[Any] = tensor.contents.get(number, [])
        if any(other != number for other in tensor.contents):
            raise invalid(where, f"has a field that is not for {datatype.value}", "only the datatype's own")
        if datatype is Datatype.BYTES:
            elements = [binary_tensors.text(element, (*where, index)) for index, element in enumerate(elements)]
        check_count(len(elements), shape, where)
        if field.reader.dtype.kind == "f":
            return np.array(elements, field.reader.dtype).reshape(shape)
        return field.reader.read_flat(elements, shape, where)

    return read


class Unary(grpc.RpcMethodHandler):  # pyright: ignore[reportMissingTypeArgument] - it is generic in its stubs only
    """A method from bytes to bytes. Grpc's own factories import late, when the layer is hidden."""

    request_streaming = False
    response_streaming = False
    request_deserializer = None
    response_serializer = None
    unary_stream = None
    stream_unary = None
    stream_stream = None

    def __init__(self, behaviour: Any) -> None:
        self.unary_unary = behaviour


class Service(grpc.GenericRpcHandler):
    """The service for a gRPC server; methods that are not there are UNIMPLEMENTED by gRPC."""

    def __init__(self, model: ServedModel) -> None:
        self._handlers = {
            f"/{SERVICE}/{name}": Unary(_behaviour(name, handler, model.version))
            for name, handler in OipGrpc(model).handlers().items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Unary | None:
        """Returns the handler of a method, by its full name."""
        return self._handlers.get(handler_call_details.method)


def _behaviour(name: str, handler: Handler, version: int) -> Any:
    label = (("x-kea-version", str(version)),)

    async def behave(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        context.set_trailing_metadata(label)
        try:
            return await handler(request, _metadata(context, METHOD_HEADER))
        except WireError as error:
            code, details = grpc.StatusCode.INVALID_ARGUMENT, f"not a valid {name} message: {error}"
        except Exception as error:  # noqa: BLE001 - gRPC would tell the caller what an unmapped exception says
            request_id = _request_id(context)
            log_failure(error, request_id, f"/{SERVICE}/{name}")
            known = error if isinstance(error, CallError) else CallError()
            code, details = code_of(known), public_text(known, request_id)
        return await context.abort(code, details[:_MAX_DETAILS])

    return behave


def code_of(error: CallError) -> grpc.StatusCode:
    """Returns the code of the nearest class in the table."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def _request_id(context: grpc.aio.ServicerContext[bytes, bytes]) -> str:
    return _metadata(context, "x-request-id") or str(uuid.uuid4())


def _metadata(context: grpc.aio.ServicerContext[bytes, bytes], name: str) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""
