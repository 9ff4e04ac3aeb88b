"""The real thing: a layer and a model environment laid out by uv, with other versions of the same packages."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from kea_runtime import layer
from tritonclient.utils import InferenceServerException

triton: Any = importlib.import_module("tritonclient.grpc")  # its types do not know what it returns

MODEL = """
import sys

import click
import grpc
import orjson


class Versions:
    def versions(self):
        places = {name: module.__file__ for name, module in {"click": click, "grpc": grpc, "orjson": orjson}.items()}
        return {
            "click": click.__version__,
            "orjson": orjson.__version__,
            "grpc": grpc.__version__,
            "places": list(places.values()),
            "path": sys.path,
            "stranger": "httptools" in sys.modules,
        }
"""


IN_AN_IMAGE = """
import importlib.util
import sys

import click
import numpy as np

import from_pth


class Sees:
    def see(self, x: np.ndarray):
        strangers = ("pytest", "sklearn", "grpc", "httptools", "orjson")
        seen = {
            "click": [click.__version__, click.__file__],
            "numpy": np.__file__,
            "path": sys.path,
            "found": [name for name in strangers if name in sys.modules or importlib.util.find_spec(name)],
            "pth": [from_pth.__file__, getattr(sys, "told_by_pth", None)],
        }
        return x * 2, seen
"""


ALONE = """
import numpy as np


class Alone:
    def double(self, x: np.ndarray):
        if len(x) == 0:
            raise RuntimeError("nothing to double")
        return x * 2

    def name(self, item: dict):
        return item["name"]
"""


def uv(*arguments: str) -> None:
    program = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([program, *arguments, "--quiet"], check=True)  # noqa: S603 - the test's own command


def make_environment(directory: Path, *requirements: str) -> str:
    """Makes a model's environment and returns its Python."""
    python = str(directory / "bin" / "python")
    uv("venv", "--python", sys.executable, str(directory))
    uv("pip", "install", "--python", python, *layer.BASE_REQUIREMENTS, *requirements)
    return python


@pytest.fixture(scope="module")
def real_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("real") / "layer"
    target = ("--python", sys.executable, "--target", str(directory))
    uv("pip", "install", *layer.INSTALL_ARGUMENTS, *target, *layer.LAYER_REQUIREMENTS)
    layer.copy(directory)
    return directory


@pytest.mark.timeout(300)
def test_a_model_sees_its_own_versions_of_the_runtimes_packages(starter: Any, real_layer: Path, tmp_path: Path) -> None:
    # grpcio in the very version of the layer: two copies of one extension module must not meet either.
    same = next(line for line in layer.LAYER_REQUIREMENTS if line.startswith("grpcio"))
    python = make_environment(tmp_path / "environment", "click==7.1.2", "orjson<3.11", same)
    (tmp_path / "model.py").write_text(MODEL)
    outputs = [{"name": "seen", "json_schema": {"type": "object"}}]
    signature = {"default_method": "versions", "methods": [{"name": "versions", "inputs": [], "outputs": outputs}]}
    spec: dict[str, Any] = {"framework": "python", "entrypoint": "model.py:Versions", "directory": str(tmp_path)}
    running = starter.start(python=python, layer=real_layer, signature=signature, **spec)

    seen = httpx.post(f"{running.url}/models/m/versions", json={}, trust_env=False).json()["seen"]
    assert seen["click"] == "7.1.2"
    assert tuple(map(int, seen["orjson"].split("."))) < (3, 11)
    assert all(place.startswith(str(tmp_path / "environment")) for place in seen["places"])
    assert str(real_layer) not in seen["path"]
    assert not seen["stranger"]
    with triton.InferenceServerClient(running.grpc) as client:
        assert b"7.1.2" in client.infer("m", []).as_numpy("seen")[0]
    assert running.stop() == 0


@pytest.mark.timeout(300)
def test_in_an_image_a_model_sees_its_packages_and_nothing_else(starter: Any, real_layer: Path, tmp_path: Path) -> None:
    packages, (here, extra) = tmp_path / "packages", (tmp_path / name for name in ("model", "extra"))
    target = ("--python", sys.executable, "--target", str(packages))
    uv("pip", "install", *target, *layer.BASE_REQUIREMENTS, "click==7.1.2")
    for directory in (here, extra):
        directory.mkdir()
    (packages / "extra.pth").write_text(f"{extra}\nimport sys; sys.told_by_pth = 'a line'\n")
    (extra / "from_pth.py").write_text("")
    (here / "model.py").write_text(IN_AN_IMAGE)
    x = {"name": "x", "tensor": {"datatype": "FP64", "shape": [-1]}}
    outputs = [{**x, "name": "y"}, {"name": "seen", "json_schema": {"type": "object"}}]
    signature = {"default_method": "see", "methods": [{"name": "see", "inputs": [x], "outputs": outputs}]}
    spec: dict[str, Any] = {"framework": "python", "entrypoint": "model.py:Sees", "directory": str(here)}
    running = starter.start(packages=packages, layer=real_layer, signature=signature, **spec)

    answer = httpx.post(f"{running.url}/models/m/see", json={"x": [1.5]}, trust_env=False).json()
    seen = answer["seen"]
    assert answer["y"] == [3.0]
    assert seen["click"] == ["7.1.2", str(packages / "click" / "__init__.py")]
    assert seen["numpy"] == str(packages / "numpy" / "__init__.py")
    assert seen["found"] == []
    assert seen["pth"] == [str(extra / "from_pth.py"), "a line"]
    assert {str(packages), str(extra)} < set(seen["path"])
    assert not [entry for entry in seen["path"] if "site-packages" in entry or entry.startswith(str(real_layer))]
    with triton.InferenceServerClient(running.grpc) as client:
        sent = triton.InferInput("x", [1], "FP64").set_data_from_numpy(np.ones(1))
        assert client.infer("m", [sent]).as_numpy("y").tolist() == [2.0]
    assert running.stop() == 0


@pytest.mark.timeout(60)
def test_packages_that_are_not_there_are_told_to_whoever_waits(starter: Any, tmp_path: Path) -> None:
    running = starter.start(wait=False, packages=tmp_path / "none", framework="python")
    assert running.process.wait(30) == 78
    assert running.state()["reason"] == "RUNTIME_LOAD_FAILED"
    assert str(tmp_path / "none") in running.state()["message"]


@pytest.mark.timeout(300)
def test_nothing_is_imported_late_from_the_hidden_layer(starter: Any, real_layer: Path, tmp_path: Path) -> None:
    python = make_environment(tmp_path / "environment")  # has none of the layer's packages to fall back on
    (tmp_path / "model.py").write_text(ALONE)
    x = {"name": "x", "tensor": {"datatype": "FP32", "shape": [-1]}}
    schema = {"type": "object", "properties": {"name": {"type": "string", "format": "uuid"}}, "required": ["name"]}
    methods: list[dict[str, Any]] = [
        {"name": "double", "inputs": [x], "outputs": [x]},
        {"name": "name", "inputs": [{"name": "item", "json_schema": schema}], "outputs": []},
    ]
    signature = {"default_method": "double", "methods": methods}
    spec: dict[str, Any] = {"framework": "python", "entrypoint": "model.py:Alone", "directory": str(tmp_path)}
    running = starter.start(python=python, layer=real_layer, signature=signature, **spec)

    def statuses(client: httpx.Client) -> list[int]:
        url = f"{running.url}/models/m/double"
        bodies: list[Any] = [
            b'{"x": [1]}',
            b'{"x": [true]}',
            b'{"x": []}',
            b"{",
            iter([b'{"x": [1]}']),
            b" " * 2_000_000,
        ]
        return [client.post(url, content=body).status_code for body in bodies]

    with httpx.Client(trust_env=False) as client:
        assert statuses(client) == [200, 400, 500, 400, 200, 413]
        for item in ({"name": 7}, {}, {"name": "not one"}, "none"):
            refused = client.post(f"{running.url}/models/m/name", json={"item": item})
            assert refused.status_code == 400, refused.text
            assert refused.json()["errors"][0]["pointer"].startswith("/item")
    with triton.InferenceServerClient(running.grpc) as client:
        one, none = (
            triton.InferInput("x", [count], "FP32").set_data_from_numpy(np.ones(count, np.float32)) for count in (1, 0)
        )
        assert client.infer("m", [one]).as_numpy("x").tolist() == [2.0]
        with pytest.raises(InferenceServerException, match="the model failed to answer"):
            client.infer("m", [none])
        with pytest.raises(InferenceServerException, match="no method"):
            client.infer("m.nope", [one])
    logged = running.errors()
    assert {line["error"] for line in logged} == {"RuntimeError: nothing to double"}
    assert running.stop() == 0
