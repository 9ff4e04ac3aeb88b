"""What is wrong with a request is said in the shape of its protocol, and is never the server's fault."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from platforms import RunningPlatform

TYPED = "/models/iris/predict"
V2 = "/v2/models/iris/infer"
V1 = "/v1/models/iris:predict"


def v2(data: Any = (1, 2, 3, 4), shape: Any = (1, 4), datatype: str = "FP64", name: str = "input") -> dict[str, Any]:
    return {"inputs": [{"name": name, "shape": list(shape), "datatype": datatype, "data": data}]}


def message_of(response: httpx.Response) -> str:
    """Returns the error's text, after checking that the body has the shape of its protocol."""
    path = response.request.url.path
    document = response.json()
    if path == "/v2" or path.startswith(("/v1/", "/v2/")):
        assert set(document) == {"error"}, document
        assert isinstance(document["error"], str)
        return document["error"]
    if path.startswith("/api/"):
        assert {"code", "message"} <= set(document), document
        return document["message"]
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(document), document
    assert document["status"] == response.status_code
    return f"{document['detail']} {document.get('errors', '')}"


WRONG_BODIES = [
    (TYPED, {"input": [[1, 2, 3]]}, "input"),
    (TYPED, {"input": [[1, 2, 3, "four"]]}, "input"),
    (TYPED, {"input": [[1, 2, 3, 4], [1, 2]]}, "input"),
    (TYPED, {}, "input"),
    (TYPED, {"input": [[1, 2, 3, 4]], "colour": 1}, "colour"),
    (TYPED, [1, 2], "object"),
    (TYPED, {"input": None}, "input"),
    (TYPED, {"input": [[True, 2, 3, 4]]}, "input"),
    (V2, v2(shape=(1, 3), data=(1, 2, 3)), "input"),
    (V2, v2(data=(1, 2, 3)), "input"),
    (V2, v2(datatype="FP16"), "input"),
    (V2, v2(datatype="INT99"), "INT99"),
    (V2, v2(data=("a", 2, 3, 4)), "input"),
    (V2, v2(name="other"), "other"),
    (V2, {"inputs": []}, "input"),
    (V2, {}, "inputs"),
    (V2, {"inputs": 3}, "inputs"),
    (V2, v2() | {"outputs": [{"name": "nothing"}]}, "nothing"),
    (V1, {"instances": 3}, "instances"),
    (V1, {}, "instances"),
    (V1, {"instances": [[1, 2, 3]]}, "instances"),
]


@pytest.mark.parametrize(("path", "body", "named"), WRONG_BODIES)
def test_a_wrong_body_is_refused_and_the_field_named(iris: RunningPlatform, path: str, body: Any, named: str) -> None:
    with iris.client() as client:
        response = client.post(path, json=body)
        assert response.status_code == 400, response.text
        assert named in message_of(response)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"student": 7}, "/student"),
        ({"student": "ada", "grades": [1, "two"]}, "/grades/1"),
        ({"student": "ada", "grades": {}}, "/grades"),
        ({"grades": []}, "/student"),
    ],
)
def test_a_value_that_breaks_its_schema_is_pointed_at(grades: RunningPlatform, body: Any, pointer: str) -> None:
    with grades.client() as client:
        response = client.post("/models/grades/set_grades", json=body)
        assert response.status_code == 400, response.text
        assert pointer in {error["pointer"] for error in response.json()["errors"]}


@pytest.mark.parametrize("path", [TYPED, V2, V1])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"input":' * 5000]
)
def test_bad_json_is_refused(iris: RunningPlatform, path: str, body: bytes) -> None:
    with iris.client() as client:
        response = client.post(path, content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400, response.text
        assert message_of(response)


@pytest.mark.parametrize(
    "path",
    [
        "/models/nobody/predict",
        "/models/iris/nothing",
        "/v2/models/nobody/infer",
        "/v2/models/iris/versions/99/infer",
        "/v2/models/iris.nothing/infer",
        "/v1/models/nobody:predict",
        "/api/v1/nothing",
        "/projects/default/models/nobody/predict",
        "/projects/nobody/models/iris/predict",
        "/models/nobody/predict:validate",
    ],
)
def test_what_is_not_there_is_404(iris: RunningPlatform, path: str) -> None:
    with iris.client() as client:
        response = client.post(path, json={})
        assert response.status_code == 404, response.text
        assert message_of(response)


@pytest.mark.parametrize("path", [TYPED, V2, V1, "/api/v1/projects/default/models", "/v2", "/models/nobody/predict"])
@pytest.mark.parametrize("token", [None, "Bearer nonsense", "Bearer", "Basic YWRtaW46YWRtaW4="])
def test_without_a_good_token_everything_is_401(iris: RunningPlatform, path: str, token: str | None) -> None:
    headers = {} if token is None else {"authorization": token}
    response = httpx.post(iris.url + path, json={}, headers=headers, trust_env=False)
    assert response.status_code == 401, response.text
    assert "www-authenticate" in response.headers
    assert message_of(response)


@pytest.mark.parametrize(
    "path", ["/docs", "/models/iris/docs", "/models/iris/openapi.json", "/api/openapi.json", "/readyz"]
)
def test_docs_and_health_need_no_token(iris: RunningPlatform, path: str) -> None:
    assert httpx.get(iris.url + path, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "path", ["/docs/../v2/models/iris/infer", "/docs/%2e%2e/v2/models/iris/infer", "//v2/models/iris/infer"]
)
def test_no_spelling_of_a_path_gets_round_the_token(iris: RunningPlatform, path: str) -> None:
    with httpx.Client(trust_env=False) as client:
        request = client.build_request("POST", iris.url, json=v2())
        request.url = request.url.copy_with(raw_path=path.encode())
        assert client.send(request).status_code in {400, 401}


def test_a_management_request_out_of_bounds_names_the_field(iris: RunningPlatform) -> None:
    with iris.client() as client:
        response = client.post("/api/v1/projects/default/models?model_id=Bad_Name", json={})
        assert response.status_code == 400
        document = response.json()
        details = {detail["@type"].rpartition(".")[2]: detail for detail in document["details"]}
        assert details["ErrorInfo"]["reason"] == "FIELD_OUT_OF_BOUNDS"
        assert details["BadRequest"]["fieldViolations"][0]["field"] == "model_id"


@pytest.mark.parametrize("path", [TYPED, V2, V1])
def test_an_oversize_body_is_413(iris: RunningPlatform, path: str) -> None:
    with iris.client() as client:
        response = client.post(path, content=b"x" * (128 * 1024 * 1024 + 1), timeout=60)
        assert response.status_code == 413, response.text
        assert message_of(response)


def test_validate_checks_without_calling(iris: RunningPlatform) -> None:
    with iris.client() as client:
        assert client.post(f"{TYPED}:validate", json={"input": [[1, 2, 3, 4]]}).json() == {"valid": True}
        assert client.post(f"{TYPED}:validate", json={"input": [[1, 2, 3]]}).status_code == 400


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nothing", ""),
        ("iris", "99"),
        ("iris.pre\ndict", ""),
        ("iris.predict\r\nkea.rule=endpoint", ""),
        ("iris", "1\n"),
        ("ir\tis", ""),
        ("\x00", ""),
    ],
)
def test_a_name_in_a_message_that_is_no_models_is_not_found(iris: RunningPlatform, name: str, version: str) -> None:
    # By hand: tritonclient has messages of the same name, and one process takes only one of them.
    texts = enumerate((name.encode(), version.encode()), start=1)
    request = b"".join(bytes([number << 3 | 2, len(text)]) + text for number, text in texts)
    with grpc.insecure_channel(f"127.0.0.1:{iris.port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as raised:
            infer(request, metadata=(("authorization", f"Bearer {iris.token}"),), timeout=10)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND, raised.value
