from __future__ import annotations

import json
from typing import Any

import pytest
from google.api import http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from kea_openapi.api_document import management_document
from kea_openapi.api_resource import MANAGEMENT_SERVICES, OPERATIONS, descriptor_set, transcoder_descriptor_set
from kea_openapi.http_rule import http_path
from kea_openapi.proto_options import http_rule
from openapi_spec_validator import OpenAPIV31SpecValidator

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    return management_document("http://localhost:8080")


def test_it_is_openapi_3_1(document: Json) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_it_is_the_same_each_time(document: Json) -> None:
    assert json.dumps(document) == json.dumps(management_document("http://localhost:8080"))


def test_every_service_of_kea_with_a_path_is_in_it() -> None:
    services = {
        f"{file.package}.{service.name}"
        for file in descriptor_set().file
        for service in file.service
        if any(http_rule(method) for method in service.method)
    }
    assert services == set(MANAGEMENT_SERVICES)
    assert list(MANAGEMENT_SERVICES) == sorted(MANAGEMENT_SERVICES)


def test_operation_ids_are_unique(document: Json) -> None:
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) > 20


def test_resource_names_become_parameters(document: Json) -> None:
    operation = document["paths"]["/api/v1/projects/{project}/deployments/{deployment}"]["patch"]
    assert [(entry["name"], entry["in"]) for entry in operation["parameters"]] == [
        ("project", "path"),
        ("deployment", "path"),
        ("updateMask", "query"),
        ("validateOnly", "query"),
        ("requestId", "query"),
    ]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Deployment"
    }
    assert operation["x-kea-permission"] == "deployer.deployments.update"


def test_what_the_path_says_is_not_in_the_body(document: Json) -> None:
    path = document["paths"]["/api/v1/projects/{project}/models/{model}:setAlias"]
    schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "name" not in schema["properties"]
    assert schema["required"] == ["alias", "version"]
    assert schema["properties"]["version"]["description"].endswith("At least 1.")


def test_fields_tell_behaviour_bounds_and_comments(document: Json) -> None:
    deployment: Json = document["components"]["schemas"]["Deployment"]
    assert deployment["required"] == ["modelVersion"]
    assert deployment["properties"]["name"]["readOnly"] is True
    assert deployment["properties"]["replicaCount"] | {"description": ""} == {
        "type": "integer",
        "format": "int32",
        "minimum": 0,
        "maximum": 64,
        "description": "",
    }
    assert deployment["properties"]["modelVersion"]["pattern"].startswith("^(?:projects/")
    assert deployment["description"] == "One model version, served by a number of replicas of one runtime."
    secret = document["components"]["schemas"]["ExchangeServiceCredentialRequest"]["properties"]["secret"]
    assert (secret["writeOnly"], secret["minLength"]) == (True, 32)


def test_maps_enums_and_oneofs(document: Json) -> None:
    schemas: Json = document["components"]["schemas"]
    assert schemas["Model"]["properties"]["aliases"]["additionalProperties"] == {"type": "string", "format": "int64"}
    assert "- `FRAMEWORK_ONNX`: An ONNX graph" in schemas["Framework"]["description"]
    assert schemas["Field"]["not"] == {"anyOf": [{"required": ["tensor", "jsonSchema"]}]}
    assert schemas["Endpoint"]["properties"]["timeout"]["pattern"]


def test_public_methods_need_no_token(document: Json) -> None:
    assert document["paths"]["/api/v1/tokens:exchangeServiceCredential"]["post"]["security"] == []


def test_long_running_operations_say_what_they_end_with(document: Json) -> None:
    operation = document["paths"]["/api/v1/projects/{project}/deployments"]["post"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["properties"]["response"] == {"$ref": "#/components/schemas/Deployment"}


def test_operations_are_where_kea_has_them(document: Json) -> None:
    assert {path for path in document["paths"] if "operations" in path} == {
        "/api/v1/projects/{project}/operations",
        "/api/v1/projects/{project}/operations/{operation}",
        "/api/v1/projects/{project}/operations/{operation}:wait",
    }


def test_the_transcoder_s_set_is_whole() -> None:
    described = descriptor_pb2.FileDescriptorSet.FromString(transcoder_descriptor_set())
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        assert not file.HasField("source_code_info")
        pool.Add(file)
    for service in MANAGEMENT_SERVICES:
        assert pool.FindServiceByName(service).methods
    assert pool.FindMessageTypeByName("google.rpc.ErrorInfo")
    operations = next(
        service for file in described.file for service in file.service if f"{file.package}.{service.name}" == OPERATIONS
    )
    bound = {method.name for method in operations.method if http_rule(method)}
    assert bound == {"GetOperation", "ListOperations", "WaitOperation"}


def test_a_rule_without_a_verb_is_refused() -> None:
    with pytest.raises(ValueError, match="needs one of get"):
        http_path(http_pb2.HttpRule())
