"""The OpenAPI 3.1 document of the management API, from its descriptors: nothing in it is written twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2

from kea_openapi import proto_options
from kea_openapi.api_resource import MANAGEMENT_SERVICES, OPERATIONS, descriptor_set
from kea_openapi.http_rule import HttpPath, http_path
from kea_openapi.model_document import SECURITY_SCHEMES
from kea_openapi.operation import summary_of
from kea_openapi.proto_index import ProtoIndex
from kea_openapi.proto_schema import FieldProto, ProtoSchemas, is_required

Json = dict[str, Any]
MethodProto = descriptor_pb2.MethodDescriptorProto

_OPERATION = "google.longrunning.Operation"
_DESCRIPTION = """Everything that manages models, deployments, endpoints, tokens and keys.

The same API is served over gRPC on the same port, from the same protos; streams (uploads, downloads, watches, logs) are
served over gRPC only. Errors are `google.rpc.Status`; `details` holds an `ErrorInfo` whose `reason` is for programs.
"""
_ERROR_EXAMPLE: Json = {
    "code": 5,
    "message": "model 'iris' does not exist",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "MODEL_NOT_FOUND",
            "domain": "kea.dev",
            "metadata": {"model": "iris"},
        }
    ],
}


def management_document(server_url: str = "/", version: str = "v1") -> Json:
    """Returns the document of KEA's own API, from the packaged descriptors."""
    return api_document(descriptor_set(), MANAGEMENT_SERVICES, server_url=server_url, version=version)


def api_document(
    described: descriptor_pb2.FileDescriptorSet, services: Iterable[str], *, server_url: str, version: str
) -> Json:
    """Returns the document of some services.

    Args:
        described: descriptors with source info, the services' imports included.
        services: full names; methods without `google.api.http` are left out.
        server_url: where the API answers.
        version: `info.version`.
    """
    index = ProtoIndex.of(described)
    schemas = ProtoSchemas(index)
    paths: Json = {}
    tags: list[Json] = []
    for service in services:
        reader = _ServiceReader(index, schemas, service)
        found = False
        for full, method in index.methods(service):
            rule = proto_options.http_rule(method)
            if rule is None:
                continue
            target = http_path(rule)
            paths.setdefault(target.path, {})[target.verb] = reader.operation(full, method, target)
            found = True
        if found:
            tags.append({"name": reader.tag, "description": index.comment(service)})
    return {
        "openapi": "3.1.0",
        "info": {"title": "KEA management API", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": server_url, "description": "KEA's gateway."}],
        "security": [{"bearer": []}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "responses": {"Error": _error_response(schemas)},
            "schemas": dict(sorted(schemas.schemas.items())),
        },
    }


class _ServiceReader:
    """Turns the methods of one service into operations."""

    def __init__(self, index: ProtoIndex, schemas: ProtoSchemas, service: str) -> None:
        self._index = index
        self._schemas = schemas
        self._package = service.rpartition(".")[0]
        self.tag = "Operations" if service == OPERATIONS else service.rpartition(".")[2].removesuffix("Service")

    def operation(self, full: str, method: MethodProto, target: HttpPath) -> Json:
        comment = self._index.comment(full)
        access = proto_options.access(method)
        operation: Json = {
            "tags": [self.tag],
            "operationId": method.name[0].lower() + method.name[1:],
            "summary": summary_of(comment, method.name),
            "description": comment,
        }
        if access.permission:
            operation["x-kea-permission"] = access.permission
        if access.public:
            operation["security"] = []
        parameters = [*self._path_parameters(method, target), *self._query_parameters(method, target)]
        if parameters:
            operation["parameters"] = parameters
        body = self._body(method, target)
        if body is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        answer = {"description": "OK", "content": {"application/json": {"schema": self._answer(method)}}}
        operation["responses"] = {"200": answer, "default": {"$ref": "#/components/responses/Error"}}
        return operation

    def _path_parameters(self, method: MethodProto, target: HttpPath) -> Iterable[Json]:
        for parameter in target.parameters:
            comment = self._index.comment(f"{method.input_type.removeprefix('.')}.{parameter.field}")
            where = f"Id within `{parameter.pattern}`."
            yield {
                "name": parameter.name,
                "in": "path",
                "required": True,
                "description": " ".join(filter(None, (where, comment))),
                "schema": {"type": "string"},
            }

    def _query_parameters(self, method: MethodProto, target: HttpPath) -> Iterable[Json]:
        if target.body == "*":
            return
        full = method.input_type.removeprefix(".")
        for entry in self._index.messages[full].field:
            if entry.name in target.fields or entry.name == target.body or not _fits_query(entry):
                continue
            schema = self._schemas.field(full, entry)
            description = schema.pop("description", "")
            yield {
                "name": entry.json_name,
                "in": "query",
                "required": is_required(entry),
                "description": description,
                "schema": schema,
            }

    def _body(self, method: MethodProto, target: HttpPath) -> Json | None:
        full = method.input_type.removeprefix(".")
        fields = self._index.messages[full].field
        if not target.body:
            return None
        if target.body != "*":
            entry = next(entry for entry in fields if entry.name == target.body)
            return self._schemas.message(entry.type_name.removeprefix("."))
        if not target.fields:
            return self._schemas.message(full)
        left = [entry for entry in fields if entry.name not in target.fields]
        return self._schemas.object(full, left, self._index.comment(full))

    def _answer(self, method: MethodProto) -> Json:
        full = method.output_type.removeprefix(".")
        answer = self._schemas.message(full)
        response, metadata = proto_options.operation_types(method)
        if full != _OPERATION or not response:
            return answer
        return {
            "allOf": [answer],
            "properties": {
                "metadata": self._schemas.message(self._qualified(metadata)),
                "response": self._schemas.message(self._qualified(response)),
            },
        }

    def _qualified(self, name: str) -> str:
        return name if "." in name else f"{self._package}.{name}"


def _fits_query(entry: FieldProto) -> bool:
    """Returns whether a field can stand in a query: messages cannot, but those that are text in JSON can."""
    textual = {"google.protobuf.FieldMask", "google.protobuf.Duration", "google.protobuf.Timestamp"}
    return entry.type != FieldProto.TYPE_MESSAGE or entry.type_name.removeprefix(".") in textual


def _error_response(schemas: ProtoSchemas) -> Json:
    content = {"schema": schemas.message("google.rpc.Status"), "example": _ERROR_EXAMPLE}
    return {"description": "An error.", "content": {"application/json": content}}
