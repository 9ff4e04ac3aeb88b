from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from kea_openapi.model_document import model_document
from kea_openapi.model_draft import ModelApi
from kea_openapi.signature import Signature
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from signature_strategies import GRADES, IRIS, signatures

Json = dict[str, Any]


def document_of(signature: Signature, **more: Any) -> Json:
    api = ModelApi(name="iris", version=3, signature=signature, server_url="http://localhost:8080")
    return model_document(replace(api, **more))


def check_examples(document: Json) -> int:
    """Validates every example of the document against the schema it stands beside; returns how many there are."""
    registry: Registry[Any] = Registry().with_resource("urn:doc", Resource(document, DRAFT202012))
    count = 0

    def visit(node: Any) -> None:
        nonlocal count
        if isinstance(node, list):
            for entry in node:
                visit(entry)
        elif isinstance(node, dict):
            known: Json = node
            shown = [entry["value"] for entry in known.get("examples", {}).values()] if "schema" in known else []
            shown += [known["example"]] if "schema" in known and "example" in known else []
            for value in shown:
                schema = json.loads(json.dumps(known["schema"]).replace('"#/', '"urn:doc#/'))
                Draft202012Validator(schema, registry=registry).validate(value)
                count += 1
            for entry in known.values():
                visit(entry)

    visit(document)
    return count


@pytest.mark.parametrize("signature", [IRIS, GRADES])
@pytest.mark.parametrize("project", ["default", "school"])
def test_the_document_is_openapi_3_1_and_its_examples_fit(signature: Signature, project: str) -> None:
    document = document_of(signature, project=project)
    OpenAPIV31SpecValidator(document).validate()
    assert check_examples(document) > 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(signatures())
def test_any_signature_gives_a_json_document_that_does_not_change(signature: Signature) -> None:
    first = json.dumps(document_of(signature))
    assert first == json.dumps(document_of(signature))


def test_every_protocol_of_every_method_has_its_path() -> None:
    assert list(document_of(IRIS)["paths"]) == [
        "/models/iris/predict",
        "/models/iris/predict:validate",
        "/models/iris/predict_proba",
        "/models/iris/predict_proba:validate",
        "/v2/models/iris/infer",
        "/v2/models/iris",
        "/v2/models/iris/ready",
        "/v2/models/iris.predict_proba/infer",
        "/v2/models/iris.predict_proba",
        "/v2/models/iris.predict_proba/ready",
        "/v1/models/iris:predict",
        "/v1/models/iris.predict_proba:predict",
    ]


def test_other_projects_have_a_prefix() -> None:
    assert all(path.startswith("/projects/school/") for path in document_of(IRIS, project="school")["paths"])


def test_operation_ids_are_unique_whatever_their_case() -> None:
    paths: Json = document_of(GRADES)["paths"]
    ids = [operation["operationId"].casefold() for path in paths.values() for operation in path.values()]
    assert len(set(ids)) == len(ids)


def test_schemas_of_methods_that_differ_in_case_are_kept_apart() -> None:
    document = document_of(GRADES)
    first = document["paths"]["/models/iris/get_grades"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    second = document["paths"]["/models/iris/getGrades"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert first != second


def test_what_is_missing_is_said() -> None:
    document = document_of(GRADES)
    incomplete: list[str] = document["info"]["x-kea-incomplete"]
    assert incomplete[0] == "methods.getGrades.result: has no type hint."
    assert any("150528 elements" in line for line in incomplete)
    assert any("https://example.com/schema.json leaves the schema" in line for line in incomplete)
    assert "https://example.com" not in json.dumps(document["components"])


def test_the_version_and_the_server_are_told() -> None:
    document = document_of(IRIS)
    assert document["info"]["version"] == "3"
    assert document["servers"][0]["url"] == "http://localhost:8080"


def test_the_curl_samples_carry_the_example_and_the_token() -> None:
    document = document_of(GRADES)
    source: str = document["paths"]["/models/iris/get_grades"]["post"]["x-codeSamples"][0]["source"]
    words = shlex.split(source)
    assert words[0] == "curl"
    assert words[words.index("-H") + 1] == "Authorization: Bearer $KEA_TOKEN"
    assert json.loads(words[words.index("-d") + 1]) == {"student": {"name": "text", "friends": []}}


def test_python_samples_are_python() -> None:
    sources = [
        sample["source"]
        for signature in (IRIS, GRADES)
        for path in document_of(signature)["paths"].values()
        for operation in path.values()
        for sample in operation.get("x-codeSamples", [])
        if sample["lang"] == "Python"
    ]
    assert len(sources) > 10
    for source in sources:
        ast.parse(source)


def test_errors_have_the_shape_of_their_protocol() -> None:
    document = document_of(IRIS)
    typed = document["paths"]["/models/iris/predict"]["post"]["responses"]
    assert typed["400"]["content"]["application/problem+json"]["example"]["errors"][0]["pointer"] == "/sepal_length"
    oip = document["paths"]["/v2/models/iris/infer"]["post"]["responses"]["404"]
    assert oip == {"$ref": "#/components/responses/Error404"}


def test_rows_of_v1_are_made_from_columns() -> None:
    content = document_of(IRIS)["paths"]["/v1/models/iris:predict"]["post"]["requestBody"]["content"]
    assert content["application/json"]["examples"]["example"]["value"] == {
        "instances": [{"sepal_length": 5.1, "petal_length": 1.4}, {"sepal_length": 6.2, "petal_length": 4.5}]
    }
