"""The management API through the gateway: REST, gRPC, reflection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc
import httpx
import pytest
from kea.registry.v1 import model_service_pb2, model_service_pb2_grpc
from platforms import RunningPlatform

BUF = str(Path(sys.executable).with_name("buf"))
SERVICES = {
    "kea.auth.v1.AccessService",
    "kea.auth.v1.BindingService",
    "kea.auth.v1.RoleService",
    "kea.auth.v1.ServiceAccountService",
    "kea.auth.v1.SigningKeyService",
    "kea.auth.v1.TokenService",
    "kea.deployer.v1.BuildService",
    "kea.deployer.v1.DeploymentService",
    "kea.registry.v1.ModelService",
    "kea.registry.v1.ModelVersionService",
    "kea.router.v1.DataPlaneService",
    "kea.router.v1.EndpointService",
}


def buf_curl(platform: RunningPlatform, *arguments: str) -> subprocess.CompletedProcess[str]:
    header = ["-H", f"authorization: Bearer {platform.token}"]
    reflect = ["--reflect-header", f"authorization: Bearer {platform.token}"]
    command = [BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc", *header, *reflect, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)


def test_a_reflection_client_lists_and_calls_the_management_api(iris: RunningPlatform) -> None:
    listed = set(buf_curl(iris, "--list-services", iris.url).stdout.split())
    assert listed >= SERVICES | {"inference.GRPCInferenceService"}
    called = buf_curl(
        iris, "-d", '{"parent": "projects/default"}', f"{iris.url}/kea.registry.v1.ModelService/ListModels"
    )
    assert "projects/default/models/iris" in called.stdout


def test_every_resource_can_be_listed_over_rest(iris: RunningPlatform) -> None:
    with iris.client() as client:
        for path, key in (
            ("projects/default/models", "models"),
            ("projects/default/models/iris/versions", "modelVersions"),
            ("projects/default/deployments", "deployments"),
            ("projects/default/endpoints", "endpoints"),
            ("signingKeys", "signingKeys"),
            ("dataPlane", "nodes"),
        ):
            response = client.get(f"/api/v1/{path}")
            assert response.status_code == 200, response.text
            assert response.json()[key], path


def test_a_token_made_by_the_cli_is_good_and_one_with_scopes_may_do_less(iris: RunningPlatform) -> None:
    token = iris.kea("token", "--scope", "consumer").stdout.strip()
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=iris.url, headers=headers, trust_env=False) as client:
        flower = {"input": [[5.1, 3.5, 1.4, 0.2]]}
        assert client.post("/models/iris/predict", json=flower).status_code == 200
        refused = client.get("/api/v1/projects/default/models")
        assert refused.status_code == 403
        assert refused.json()["details"][0]["reason"] == "PERMISSION_MISSING"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/models/iris/predict", {"type", "title", "status", "detail", "reason"}),
        ("/v2/models/iris/infer", {"error"}),
        ("/v1/models/iris:predict", {"error"}),
    ],
)
def test_a_role_that_may_not_call_is_403_in_the_protocol_shape(
    iris: RunningPlatform, path: str, shape: set[str]
) -> None:
    token = iris.kea("token", "--scope", "viewer").stdout.strip()
    refused = httpx.post(iris.url + path, json={}, headers={"authorization": f"Bearer {token}"}, trust_env=False)
    assert refused.status_code == 403
    assert set(refused.json()) == shape


def test_a_scope_beyond_those_of_the_callers_token_is_refused(iris: RunningPlatform) -> None:
    token = iris.kea("token", "--scope", "viewer").stdout.strip()
    refused = iris.kea("token", "--scope", "engineer", "--token", token, check=False)
    assert refused.returncode == 4
    assert refused.stderr.endswith("[SCOPE_NOT_HELD]\n")


def test_rotated_keys_are_taken_without_a_refused_request(iris: RunningPlatform) -> None:
    old = iris.token
    with iris.client() as client:
        assert client.post("/api/v1/signingKeys:rotate", json={}).status_code == 200
        response = client.get("/api/v1/projects/default/models", headers={"authorization": f"Bearer {old}"})
        assert response.status_code == 200


def test_grpc_without_a_token_is_unauthenticated(iris: RunningPlatform) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{iris.port}") as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListModels(model_service_pb2.ListModelsRequest(parent="projects/default"), timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
