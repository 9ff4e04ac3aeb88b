from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kea_deployer.builds.contents import command_of, model_entries, run_of, spec_of
from kea_deployer.builds.target import Target

TARGET = Target.parse("linux/arm64", "3.12")
COMMAND = [
    *("python3.12", "-I", "-S", "/kea/runtime/kea_runtime/bootstrap.py"),
    *("--packages", "/kea/packages", "--layer", "/kea/runtime", "--spec"),
]


def test_the_command_is_of_the_targets_python_and_of_none_of_its_packages() -> None:
    assert command_of(TARGET, "/elsewhere/spec.json") == [*COMMAND, "/elsewhere/spec.json"]


def test_the_spec_is_of_places_in_the_image(helpers: Any) -> None:
    model = helpers.make_model(name="projects/p/models/iris/versions/12", framework="onnx", entrypoint="a/m.onnx")
    assert spec_of(model) == {
        "model": "iris",
        "version": 12,
        "framework": "onnx",
        "directory": "/kea/model",
        "entrypoint": "a/m.onnx",
        "signature": helpers.SIGNATURE,
        "http": "0.0.0.0:8080",
        "grpc": "0.0.0.0:8081",
    }


def test_a_models_layer_has_its_files_its_spec_and_its_lock(helpers: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("model.py", "sub/weights", "spec.json"):
        (tmp_path / name).write_text(name)
    found = {entry.name: entry.content for entry in model_entries(helpers.make_model(), tmp_path, "numpy==2\n")}
    spec = found.pop("kea/spec.json")
    assert isinstance(spec, bytes)
    assert json.loads(spec) == spec_of(helpers.make_model())
    assert found.pop("kea/requirements.lock") == b"numpy==2\n"
    assert found == {f"kea/model/{name}": tmp_path / name for name in ("model.py", "sub/weights", "spec.json")}


def test_the_spec_is_the_same_bytes_in_whatever_order_the_signature_came(helpers: Any, tmp_path: Path) -> None:
    turned = dict(reversed(helpers.SIGNATURE.items()))
    one, other = (
        {entry.name: entry.content for entry in model_entries(helpers.make_model(signature=signature), tmp_path, "")}
        for signature in (helpers.SIGNATURE, turned)
    )
    assert one == other


def test_a_container_runs_as_nobody_and_says_what_it_serves(helpers: Any) -> None:
    run = run_of(helpers.make_model(), TARGET)
    assert run.entrypoint == [*COMMAND, "/kea/spec.json"]
    assert (run.user, run.directory, run.stop_signal) == ("65532:65532", "/", "SIGTERM")
    assert list(run.ports) == ["8080/tcp", "8081/tcp"]
    assert run.labels == {"dev.kea.model-version": helpers.make_model().name}
    assert (run.arguments, run.environment) == ((), {})
