"""Model servers as real processes, from models made here."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from kea_runtime import layer as runtime_layer

LAYER_PACKAGES = ("grpc", "httptools", "jsonschema_rs", "orjson", "typing_extensions", "uvloop")
START_SECONDS = 60.0


@dataclass
class Running:
    """A model server's process and its addresses."""

    process: subprocess.Popen[str]
    http: str
    grpc: str
    ready_file: Path
    stderr: Path

    @property
    def url(self) -> str:
        return f"http://{self.http}"

    def state(self) -> dict[str, str]:
        return json.loads(self.ready_file.read_text())

    def errors(self) -> list[dict[str, Any]]:
        """Returns the lines that the server logged as JSON."""
        return [json.loads(line) for line in self.stderr.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@dataclass
class Starter:
    """Starts model servers, and ends those that still run when the tests are over."""

    layer: Path
    directory: Path
    started: list[Running]
    python: str = sys.executable

    def start(
        self,
        *,
        wait: bool = True,
        python: str | None = None,
        layer: Path | None = None,
        packages: Path | None = None,
        **spec: Any,
    ) -> Running:
        """Starts one; with `packages`, as in an image: the interpreter's own are not the model's."""
        home = self.directory / str(len(self.started))
        home.mkdir()
        addresses = {key: spec.get(key) or f"127.0.0.1:{free_port()}" for key in ("http", "grpc")}
        document = {
            "model": "test",
            "version": 3,
            "deployment": "projects/default/deployments/test",
            "max_body_bytes": 1_000_000,
            "drain_seconds": 5.0,
            "ready_file": str(home / "ready.json"),
            **spec,
            **addresses,
        }
        (home / "spec.json").write_text(json.dumps(document))
        chosen = str(layer or self.layer)
        program, options = f"{chosen}/kea_runtime/bootstrap.py", ["--layer", chosen]
        command = [python or self.python, "-I", program, *options]
        if packages is not None:
            command = [python or self.python, "-I", "-S", program, "--packages", str(packages), *options]
        with (home / "stderr").open("w") as stderr:
            process = subprocess.Popen([*command, "--spec", str(home / "spec.json")], stderr=stderr, text=True)  # noqa: S603 - our own command
        running = Running(process, addresses["http"], addresses["grpc"], home / "ready.json", home / "stderr")
        self.started.append(running)
        if wait:
            self.wait(running)
        return running

    def wait(self, running: Running) -> None:
        end = time.monotonic() + START_SECONDS
        while not running.ready_file.exists():
            assert time.monotonic() < end, f"not ready: {running.stderr.read_text()}"
            assert running.process.poll() is None, running.stderr.read_text()
            time.sleep(0.02)
        assert running.state() == {"state": "READY"}, running.stderr.read_text()

    def close(self) -> None:
        for running in self.started:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def tensor(name: str, datatype: str, *shape: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "tensor": {"datatype": datatype, "shape": list(shape)}, **more}


def value(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "json_schema": schema, **more}


def method(name: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": name, "inputs": inputs, "outputs": outputs, **more}


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer of links to the packages that the tests run with: quick, and the sources are those under test."""
    directory = tmp_path_factory.mktemp("layer")
    runtime_layer.copy(directory)
    for name in LAYER_PACKAGES:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            source = origin.parent if origin.name.startswith("__init__.") else origin
            (directory / source.name).symlink_to(source)
    return directory


@pytest.fixture(scope="session")
def starter(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Starter(layer, tmp_path_factory.mktemp("servers"), [])
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def iris_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    directory = tmp_path_factory.mktemp("iris")
    data, labels = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(data, labels), directory / "model.joblib")
    return directory


@pytest.fixture(scope="session")
def iris(starter: Starter, iris_directory: Path) -> Running:
    signature = {
        "default_method": "predict",
        "methods": [
            method("predict", [tensor("x", "FP64", -1, 4)], [tensor("y", "INT64", -1)]),
            method("predict_proba", [tensor("x", "FP64", -1, 4)], [tensor("p", "FP64", -1, 3)]),
        ],
    }
    spec: dict[str, Any] = {"framework": "sklearn", "entrypoint": "model.joblib", "directory": str(iris_directory)}
    return starter.start(**spec, signature=signature)


KITCHEN = """
import asyncio
import enum
import time
from dataclasses import dataclass

import click
import numpy as np

import beside


class Mood(enum.Enum):
    GOOD = "good"


@dataclass
class Summary:
    total: float
    names: list


class Kitchen:
    def __init__(self):
        self.greeting = beside.GREETING

    def greet(self, name: str, times: int = 1):
        return " ".join([f"{self.greeting} {name}"] * times)

    async def slow(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    def block(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def fail(self, secret: str):
        raise ValueError(f"the secret is {secret}")

    def lie(self, name: str):
        return 17

    def summarize(self, scores: list[float], names: list) -> Summary:
        assert type(scores) is list
        return Summary(sum(scores), names)

    def add(self, a: float, b: np.ndarray):
        assert type(a) is float
        return a + b

    def echo(self, b: np.ndarray, i8: np.ndarray, u64: np.ndarray, f16: np.ndarray, f32: np.ndarray, s: np.ndarray):
        return {"b": b, "i8": i8, "u64": u64, "f16": f16, "f32": f32, "s": s}

    def matrix(self, rows: list, ) -> list:
        assert all(type(cell) is int for row in rows for cell in row)
        return rows

    def mood(self, mood: Mood):
        return mood is Mood.GOOD

    def tree(self, tree: dict):
        return tree

    def nan(self, x: np.ndarray):
        return x * np.nan

    def versions(self):
        return click.__file__
"""

ECHO = [
    tensor("b", "BOOL", -1),
    tensor("i8", "INT8", -1),
    tensor("u64", "UINT64", -1),
    tensor("f16", "FP16", -1),
    tensor("f32", "FP32", -1, -1),
    tensor("s", "BYTES", -1),
]
NUMBER = {"type": "number"}
STRING = {"type": "string"}
TREE = {
    "$ref": "#/$defs/Tree",
    "$defs": {"Tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Tree"}}},
}


@pytest.fixture(scope="session")
def kitchen_signature() -> dict[str, Any]:
    integers = {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}
    return {
        "default_method": "greet",
        "methods": [
            method(
                "greet",
                [
                    value("name", {"type": "string", "maxLength": 20}),
                    value("times", {"type": "integer", "minimum": 1}, required=False, default=1),
                ],
                [value("greeting", STRING)],
            ),
            method("slow", [value("seconds", NUMBER)], [value("seconds", NUMBER)]),
            method("block", [value("seconds", NUMBER)], [value("seconds", NUMBER)]),
            method("fail", [value("secret", STRING)], [value("never", STRING)]),
            method("lie", [value("name", STRING)], [value("text", STRING)]),
            method(
                "summarize",
                [tensor("scores", "FP64", -1), value("names", {"type": "array", "items": STRING})],
                [value("total", NUMBER), value("names", {"type": "array", "items": STRING})],
            ),
            method("add", [tensor("a", "FP64"), tensor("b", "FP64", -1)], [tensor("sum", "FP64", -1)]),
            method("echo", ECHO, ECHO),
            method("matrix", [value("rows", integers)], [value("rows", integers)]),
            method("mood", [value("mood", STRING)], [value("good", {"type": "boolean"})]),
            method("tree", [value("tree", TREE)], [value("tree", TREE)]),
            method("nan", [tensor("x", "FP32", -1)], [tensor("x", "FP32", -1)]),
            method("versions", [], [value("click", STRING)]),
        ],
    }


@pytest.fixture(scope="session")
def kitchen_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("kitchen")
    (directory / "kitchen.py").write_text(KITCHEN)
    (directory / "beside.py").write_text("GREETING = open('greeting.txt').read()\n")
    (directory / "greeting.txt").write_text("hello")
    return directory


@pytest.fixture(scope="session")
def kitchen(starter: Starter, kitchen_directory: Path, kitchen_signature: dict[str, Any]) -> Running:
    spec: dict[str, Any] = {"framework": "python", "entrypoint": "kitchen.py:Kitchen"}
    spec["directory"] = str(kitchen_directory)
    return starter.start(**spec, signature=kitchen_signature)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30.0, trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients in tests speak to this machine only."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
