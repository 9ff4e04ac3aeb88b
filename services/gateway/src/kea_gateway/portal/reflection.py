"""gRPC reflection for every service behind the gateway, answered by one process from the descriptors it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2
from kea_core.server import listen
from kea_core.tls import Tls
from kea_openapi.api_resource import MANAGEMENT_SERVICES, transcoder_descriptor_set

INFERENCE_SERVICE = "inference.GRPCInferenceService"
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
REFLECTION_V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
HEALTH = "grpc.health.v1.Health"

REFLECTED_SERVICES = (*MANAGEMENT_SERVICES, INFERENCE_SERVICE, HEALTH, REFLECTION_V1, REFLECTION_V1ALPHA)
"""What callers are told of, by full name."""


def build_reflection_server(
    address: str, *, interceptors: Sequence[grpc.aio.ServerInterceptor] = (), tls: Tls | None = None
) -> tuple[grpc.aio.Server, HealthServicer]:
    """Returns a server of reflection (v1 and v1alpha) and health, not started yet, and its health.

    Args:
        address: `unix:PATH` or `HOST:PORT`.
        interceptors: what every call goes through, outermost first.
        tls: asks callers on `HOST:PORT` for a certificate.
    """
    server = grpc.aio.server(interceptors=interceptors)
    servicer: Any = reflection.aio.ReflectionServicer(REFLECTED_SERVICES, pool=reflection_pool())
    for service in (REFLECTION_V1, REFLECTION_V1ALPHA):
        # Version 1 is version 1alpha under another name: the same messages, field by field.
        handler = grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        handlers = {"ServerReflectionInfo": handler}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    health_servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    listen(server, address, tls)
    return server, health_servicer


def reflection_pool() -> descriptor_pool.DescriptorPool:
    """Returns the descriptors of all reflected services, with KEA's REST paths of Google's operations."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(transcoder_descriptor_set()).file:
        pool.Add(file)
    alpha = _file_of(reflection_pb2)
    for file in (_file_of(health_pb2), alpha, _version_1_of(alpha)):
        pool.Add(file)
    return pool


def _file_of(module: Any) -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def _version_1_of(alpha: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Returns the file of reflection v1, which grpc for Python does not carry."""
    file = descriptor_pb2.FileDescriptorProto()
    file.CopyFrom(alpha)
    file.name = "grpc/reflection/v1/reflection.proto"
    file.package = file.package.replace("v1alpha", "v1")
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace("v1alpha", "v1")
    for method in file.service[0].method:
        method.input_type = method.input_type.replace("v1alpha", "v1")
        method.output_type = method.output_type.replace("v1alpha", "v1")
    return file
