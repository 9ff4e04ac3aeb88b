"""The packaged descriptors of KEA's API: with comments for the document, and as Envoy's transcoder takes them."""

from __future__ import annotations

from importlib import resources
from typing import Final

from google.api import http_pb2
from google.protobuf import descriptor_pb2

from kea_openapi import proto_options

OPERATIONS: Final = "google.longrunning.Operations"
MANAGEMENT_SERVICES: Final = (
    OPERATIONS,
    "kea.auth.v1.AccessService",
    "kea.auth.v1.AuditService",
    "kea.auth.v1.BindingService",
    "kea.auth.v1.RoleService",
    "kea.auth.v1.ServiceAccountService",
    "kea.auth.v1.SigningKeyService",
    "kea.auth.v1.TokenService",
    "kea.auth.v1.UserService",
    "kea.deployer.v1.BuildService",
    "kea.deployer.v1.DeploymentService",
    "kea.registry.v1.ModelService",
    "kea.registry.v1.ModelVersionService",
    "kea.router.v1.DataPlaneService",
    "kea.router.v1.EndpointService",
    "kea.router.v1.LimitsService",
)
"""Services of the management API, by full name, sorted: what is transcoded and documented."""

_OPERATION = "projects/*/operations/*"
_OPERATION_RULES = {
    "GetOperation": http_pb2.HttpRule(get=f"/api/v1/{{name={_OPERATION}}}"),
    "ListOperations": http_pb2.HttpRule(get="/api/v1/{name=projects/*}/operations"),
    "WaitOperation": http_pb2.HttpRule(post=f"/api/v1/{{name={_OPERATION}}}:wait", body="*"),
}
"""Where KEA has Google's operations. Those that are not here are not served over REST."""


def descriptor_set() -> descriptor_pb2.FileDescriptorSet:
    """Returns the descriptors with comments; Google's operations have KEA's paths."""
    packaged = resources.files("kea_openapi") / "resources" / "api.binpb"
    described = descriptor_pb2.FileDescriptorSet.FromString(packaged.read_bytes())
    for file in described.file:
        for service in file.service:
            if f"{file.package}.{service.name}" == OPERATIONS:
                _bind(service)
    return described


def transcoder_descriptor_set() -> bytes:
    """Returns the serialized descriptors that Envoy's `grpc_json_transcoder` takes: error details, no comments."""
    described = descriptor_set()
    for file in described.file:
        file.ClearField("source_code_info")
    return described.SerializeToString(deterministic=True)


def _bind(service: descriptor_pb2.ServiceDescriptorProto) -> None:
    for method in service.method:
        proto_options.set_http_rule(method, _OPERATION_RULES.get(method.name))
        verb = "list" if method.name == "ListOperations" else "get"
        proto_options.access(method).permission = f"deployer.operations.{verb}"
