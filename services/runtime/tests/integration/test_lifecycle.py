from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest


def python_spec(directory: Path, signature: Any, entrypoint: str = "kitchen.py:Kitchen") -> dict[str, Any]:
    return {"framework": "python", "entrypoint": entrypoint, "directory": str(directory), "signature": signature}


def slow_call(url: str, seconds: float, answers: list[httpx.Response], method: str = "slow") -> threading.Thread:
    def call() -> None:
        answers.append(httpx.post(f"{url}/models/m/{method}", json={"seconds": seconds}, timeout=30, trust_env=False))

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.3)
    return thread


@pytest.mark.parametrize("method", ["slow", "block"])
def test_sigterm_finishes_what_is_in_flight(
    starter: Any, kitchen_directory: Path, kitchen_signature: Any, method: str
) -> None:
    running = starter.start(**python_spec(kitchen_directory, kitchen_signature))
    answers: list[httpx.Response] = []
    thread = slow_call(running.url, 1.5, answers, method)
    assert running.stop() == 0
    thread.join()
    assert (answers[0].status_code, answers[0].json()) == (200, {"seconds": 1.5})
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/healthz", trust_env=False)


def test_new_calls_are_refused_while_draining(starter: Any, kitchen_directory: Path, kitchen_signature: Any) -> None:
    running = starter.start(**python_spec(kitchen_directory, kitchen_signature))
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{running.url}/healthz").status_code == 200
        answers: list[httpx.Response] = []
        thread = slow_call(running.url, 1.5, answers)
        running.process.terminate()
        time.sleep(0.3)
        refused = client.get(f"{running.url}/healthz")
        assert (refused.status_code, refused.json()["reason"]) == (503, "SHUTTING_DOWN")
    thread.join()
    assert running.process.wait(30) == 0


def test_draining_ends_after_drain_seconds(starter: Any, kitchen_directory: Path, kitchen_signature: Any) -> None:
    running = starter.start(drain_seconds=0.5, **python_spec(kitchen_directory, kitchen_signature))
    host, port = running.http.split(":")
    with socket.create_connection((host, int(port))) as connection:
        body = b'{"seconds": 20}'
        head = f"POST /models/m/block HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        time.sleep(0.3)
        start = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - start < 5


def test_unix_sockets(starter: Any, iris_directory: Path, tmp_path_factory: Any) -> None:
    directory = tmp_path_factory.mktemp("s")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(directory / "h"))  # what a killed process leaves behind
    stale.close()
    fields = {"inputs": [{"name": "x", "tensor": {"datatype": "FP64", "shape": [-1, 4]}}]}
    outputs = [{"name": "y", "tensor": {"datatype": "INT64", "shape": [-1]}}]
    running = starter.start(
        framework="sklearn",
        entrypoint="model.joblib",
        directory=str(iris_directory),
        signature={"methods": [{"name": "predict", **fields, "outputs": outputs}]},
        http=f"unix:{directory}/h",
        grpc=f"unix:{directory}/g",
    )
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(directory / "h"))) as client:
        assert client.post("http://x/models/m/predict", json={"x": [[1, 2, 3, 4]]}).status_code == 200
    with grpc.insecure_channel(f"unix:{directory}/g") as channel:
        assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=10) == b"\x08\x01"
    assert running.stop() == 0
    assert not (directory / "h").exists()


@pytest.mark.parametrize(
    ("code", "entrypoint", "message"),
    [
        ("import nowhere_to_be_found\n", "model.py:M", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("class M:\n    def __init__(self):\n        raise SystemExit('no')\n", "model.py:M", "SystemExit: no"),
        ("class M: pass\n", "model.py:Other", "kea_runtime.spec.SpecError: model.py has no class 'Other'"),
        ("class M: pass\n", "model.py:M", "kea_runtime.spec.SpecError: class M has no method 'greet'"),
        ("", "../model.py:M", "entrypoint '../model.py:M' is not a file in the model's archive"),
        ("def f(:\n", "model.py:M", "SyntaxError: invalid syntax"),
    ],
)
def test_models_that_cannot_be_loaded_end_the_process_with_78(
    starter: Any, tmp_path: Path, kitchen_signature: Any, code: str, entrypoint: str, message: str
) -> None:
    (tmp_path / "model.py").write_text(code)
    running = starter.start(wait=False, **python_spec(tmp_path, kitchen_signature, entrypoint))
    assert running.process.wait(60) == 78
    state = running.state()
    assert (state["state"], state["reason"]) == ("FAILED", "MODEL_LOAD_FAILED")
    assert message in state["message"]
    assert message in running.stderr.read_text()


def test_a_broken_spec_ends_the_process_with_78(starter: Any, tmp_path: Path) -> None:
    running = starter.start(wait=False, framework="python", entrypoint="x", directory=str(tmp_path), signature={})
    assert running.process.wait(60) == 78


def test_an_address_in_use_is_told(starter: Any, kitchen_directory: Path, kitchen_signature: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        http = f"127.0.0.1:{taken.getsockname()[1]}"
        spec = python_spec(kitchen_directory, kitchen_signature)
        running = starter.start(wait=False, http=http, **spec)
        assert running.process.wait(60) == 70
    assert (running.state()["state"], running.state()["reason"]) == ("FAILED", "RUNTIME_FAILED")
