"""The generated documents: valid, and their examples work as they stand."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from platforms import RunningPlatform


def document(platform: RunningPlatform, path: str) -> dict[str, Any]:
    response = httpx.get(platform.url + path, trust_env=False)
    assert response.status_code == 200
    return response.json()


def curl_samples(platform: RunningPlatform, model: str) -> list[str]:
    """Returns every curl sample of a model's document."""
    paths = document(platform, f"/models/{model}/openapi.json")["paths"]
    return [
        sample["source"]
        for operations in paths.values()
        for operation in operations.values()
        if isinstance(operation, dict)
        for sample in operation.get("x-codeSamples", [])
        if sample["lang"].lower() in {"shell", "curl", "bash"}
    ]


def test_documents_are_valid_openapi(iris: RunningPlatform, grades: RunningPlatform) -> None:
    for path in ("/models/iris/openapi.json", "/models/grades/openapi.json", "/api/openapi.json"):
        found = document(iris, path)
        assert found["openapi"].startswith("3.1")
        validate(found)


@pytest.mark.parametrize("model", ["iris", "grades"])
def test_every_curl_sample_works_when_pasted(iris: RunningPlatform, grades: RunningPlatform, model: str) -> None:
    samples = curl_samples(iris, model)
    assert len(samples) >= 4
    for sample in samples:
        command = sample.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            env={"KEA_TOKEN": iris.token, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, f"{sample}\n{done.stdout}{done.stderr}"


def test_the_document_changes_with_the_version(iris: RunningPlatform) -> None:
    info = document(iris, "/models/iris/openapi.json")["info"]
    targets = iris.kea_json("endpoints", "get", "iris")["endpoint"]["targets"]
    assert info["version"] == targets[0]["deployment"].rpartition("-v")[2]


def test_a_python_class_has_an_operation_per_method(grades: RunningPlatform) -> None:
    paths = document(grades, "/models/grades/openapi.json")["paths"]
    assert {"/models/grades/get_grades", "/models/grades/set_grades"} <= set(paths)
