from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
from command_line import Kea
from fake_gateway import FakeGateway
from kea_openapi.signature import Method, Signature, to_json
from sklearn.linear_model import LogisticRegression


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "iris.joblib"
    joblib.dump(LogisticRegression().fit(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])), path)
    return path


def test_push_says_what_was_made(kea: Kea, model: Path) -> None:
    done = kea("models", "push", "iris", model)
    assert done.lines[0].startswith("pushed iris:1 (")
    assert done.lines[0].endswith("predict, predict_proba, decision_function)")
    assert done.err == ""


def test_push_takes_all_that_can_be_said(kea: Kea, model: Path, tmp_path: Path, gateway: FakeGateway) -> None:
    (tmp_path / "example.csv").write_text("a,b\n1,0\n")
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.9.1\n")
    made = kea(
        *("models", "push", "iris", model, "--example", tmp_path / "example.csv", "--framework", "sklearn"),
        *("--requirements", tmp_path / "requirements.txt", "--description", "**first**", "--method", "predict_proba"),
        *("--version", 1, "--max-batch-rows", 16, "-o", "json"),
    ).json
    assert (made["framework"], made["requirements"], made["description"]) == (
        "sklearn",
        ["scikit-learn==1.9.1"],
        "**first**",
    )
    assert made["signature"]["default_method"] == "predict_proba"
    assert made["signature"]["methods"][0]["example"]["inputs"] == {"input": [[1, 0]]}
    assert [method["max_batch_rows"] for method in made["signature"]["methods"]] == [16, 16, 16]
    assert made["create_time"].endswith("Z")


def test_rows_are_only_joined_where_there_are_rows(kea: Kea, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("class Model:\n    def predict(self, x: int) -> int: return x\n")
    done = kea("models", "push", "echo", f"{tmp_path}/model.py:Model", "--max-batch-rows", 16, fails=6)
    assert "no method takes and gives only tensors of shape [-1, …]" in done.err
    kea("models", "push", "echo", f"{tmp_path}/model.py:Model", "--max-batch-rows", 1)


def test_push_notes_what_could_not_be_derived_on_stderr(kea: Kea, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("class Model:\n    def predict(self, x): return x\n")
    done = kea("models", "push", "echo", f"{tmp_path}/model.py:Model")
    assert done.err.startswith("note: methods.predict")
    assert len(done.lines) == 1


def test_push_takes_a_signature_and_then_needs_no_example(kea: Kea, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"not loaded")
    (tmp_path / "signature.json").write_text(json.dumps(to_json(Signature((Method("predict", (), ()),), "predict"))))
    done = kea("models", "push", "iris", tmp_path / "model.pkl", "--signature", tmp_path / "signature.json")
    assert "predict)" in done.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("gone.joblib",), "error: gone.joblib is not there [MODEL_NOT_UNDERSTOOD]"),
        ((".", "--example", "gone.json"), "error: the example gone.json cannot be read: No such file or directory"),
        ((".", "--signature", "gone.json"), "error: the signature gone.json cannot be read: No such file or directory"),
        ((".", "--requirements", "gone.txt"), "error: requirements gone.txt cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_pushed_is_invalid_and_said_in_one_line(
    kea: Kea, arguments: tuple[str, ...], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = kea("models", "push", "iris", *arguments, fails=6)
    assert done.err.startswith(problem)
    assert done.err.count("\n") == 1


def test_a_model_is_not_pushed_where_kea_does_not_answer(kea: Kea, model: Path) -> None:
    done = kea("--url", "http://127.0.0.1:9", "models", "push", "iris", model, fails=7)
    assert done.err == (
        "error: KEA does not answer at http://127.0.0.1:9; is it running? start it with `kea up` [UNREACHABLE]\n"
    )


def test_models_are_listed_in_every_form(kea: Kea, model: Path) -> None:
    assert kea("models", "list").err == "nothing found\n"
    assert kea("models", "list", "-o", "json").json == []
    for name in ("iris", "flowers"):
        kea("models", "push", name, model)
    kea("models", "alias", "iris", "champion", 1)
    lines = kea("models", "list").lines
    assert [line.split()[:3] for line in lines] == [
        ["MODEL", "LATEST", "ALIASES"],
        ["flowers", "1"],
        ["iris", "1", "champion=1"],
    ]
    for found in (kea("models", "list", "-o", "json").json, kea("models", "list", "--output", "yaml").yaml):
        assert [(entry["name"], entry["aliases"]) for entry in found] == [("flowers", {}), ("iris", {"champion": 1})]


def test_a_model_and_its_versions_are_shown(kea: Kea, model: Path) -> None:
    kea("models", "push", "iris", model)
    kea("models", "push", "iris", model, "--description", "second\nmore")
    kea("models", "alias", "iris", "champion", 2)
    kea("models", "alias", "iris", "stable", 2)
    lines = kea("models", "get", "iris").lines
    assert lines[0].split() == ["VERSION", "ALIASES", "FRAMEWORK", "METHODS", "SIZE", "AGE", "BY", "DESCRIPTION"]
    assert lines[1].startswith("2         champion, stable   sklearn")
    assert lines[1].endswith("second")
    found = kea("models", "get", "iris", "-o", "json").json
    assert (found["model"]["latest_version"], [entry["number"] for entry in found["versions"]]) == (2, [2, 1])


@pytest.mark.parametrize("reference", ["iris:1", "iris@champion", "iris@latest"])
def test_a_version_is_shown_with_its_signature(kea: Kea, model: Path, reference: str) -> None:
    kea("models", "push", "iris", model)
    kea("models", "alias", "iris", "champion", 1)
    text = kea("models", "get", reference).out
    assert text.startswith("version       iris:1\n")
    assert "predict(input: FP64[?, 2]) -> output: INT64[?]" in text
    assert kea("models", "get", reference, "-o", "yaml").yaml["entrypoint"] == "iris.joblib"


def test_an_alias_is_pointed_at_a_version(kea: Kea, model: Path) -> None:
    kea("models", "push", "iris", model)
    assert kea("models", "alias", "iris", "champion", 1).out == "iris@champion is iris:1\n"
    assert kea("models", "alias", "iris", "champion", 1, "-o", "json").json["aliases"] == {"champion": 1}
    done = kea("models", "alias", "iris", "latest", 1, fails=6)
    assert done.err == "  alias: is reserved\nerror: wrong alias [ALIAS_RESERVED]\n"


def test_a_model_is_deleted(kea: Kea, model: Path) -> None:
    kea("models", "push", "iris", model)
    assert kea("models", "delete", "iris", fails=5).err == "error: it has versions [MODEL_HAS_VERSIONS]\n"
    assert kea("models", "delete", "iris", "--force", "-o", "json").json == {"model": "iris", "deleted": True}
    kea("models", "push", "iris", model)
    assert kea("models", "delete", "iris", "--force").out == "deleted iris\n"
    assert kea("models", "get", "iris", fails=3).err == "error: there is no such model [MODEL_NOT_FOUND]\n"


@pytest.mark.parametrize("arguments", [("get", "Iris"), ("get", "iris:x"), ("delete", "a/b"), ("push", "A_B", ".")])
def test_names_are_checked_before_anyone_is_asked(kea: Kea, gateway: FakeGateway, arguments: tuple[str, ...]) -> None:
    kea("models", *arguments, fails=6)
    assert gateway.world.calls == []
