from __future__ import annotations

import os
from pathlib import Path

import joblib
import numpy as np
import pytest
from kea_sdk import PackagingError
from kea_sdk.packaging import sources
from kea_sdk.packaging.build import build
from kea_sdk.packaging.package import PackageOptions
from sklearn.linear_model import LinearRegression

NOTHING = PackageOptions()
CLASS = "class Model:\n    def predict(self, x: float) -> float: return x\n"


def fill(directory: Path, *names: str, content: str = "") -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_files_are_found_without_hidden_ones_caches_and_environments(tmp_path: Path) -> None:
    fill(
        tmp_path, "a.py", "deep/er/b.txt", ".hidden", ".git/config", "__pycache__/a.pyc", "deep/.x/y", "node_modules/z"
    )
    fill(tmp_path, "env/pyvenv.cfg", "env/bin/python")
    os.mkfifo(tmp_path / "pipe")
    assert list(sources.files_below(tmp_path)) == ["a.py", "deep/er/b.txt"]


def test_a_link_inside_the_directory_is_taken_for_what_it_leads_to(tmp_path: Path) -> None:
    fill(tmp_path, "data/a.txt")
    (tmp_path / "link.txt").symlink_to("data/a.txt")
    assert sorted(sources.files_below(tmp_path)) == ["data/a.txt", "link.txt"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("../outside.txt", "leads out of"),
        ("nowhere", "leads nowhere"),
        ("data", "is a link to a directory"),
        (".", "is a link to a directory"),
    ],
)
def test_other_links_are_refused(tmp_path: Path, target: str, problem: str) -> None:
    fill(tmp_path, "outside.txt", "model/data/a.txt")
    (tmp_path / "model" / "link").symlink_to(target)
    with pytest.raises(PackagingError, match=problem):
        sources.files_below(tmp_path / "model")


@pytest.mark.parametrize("name", [b"\xff.txt", b"new\nline.txt"])
def test_a_name_that_cannot_be_pushed_is_refused(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).touch()  # noqa: PTH118 - pathlib has no bytes
    with pytest.raises(PackagingError, match="is no file name that can be pushed") as caught:
        sources.files_below(tmp_path)
    str(caught.value).encode()


def test_a_directory_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 2)
    fill(tmp_path, "a", "b", "c")
    with pytest.raises(PackagingError, match="has more than 2 files"):
        sources.files_below(tmp_path)


def test_a_directory_is_pushed_with_all_that_is_in_it(tmp_path: Path) -> None:
    fill(tmp_path, "model.py", content=CLASS)
    fill(tmp_path, "weights/w.bin")
    found = build(tmp_path, NOTHING)
    assert (found.framework, found.entrypoint) == ("python", "model.py:Model")
    assert sorted(found.files) == ["model.py", "weights/w.bin"]


def test_an_artifact_at_the_top_is_the_model_and_takes_what_is_beside_it(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit(np.eye(2), [0, 1]), tmp_path / "m.joblib")
    fill(tmp_path, "helper.py", content=CLASS)
    found = build(tmp_path, NOTHING)
    assert (found.framework, found.entrypoint) == ("sklearn", "m.joblib")
    assert sorted(found.files) == ["helper.py", "m.joblib"]
    assert build(tmp_path, PackageOptions(class_name="Model")).entrypoint == "helper.py:Model"


def test_one_of_several_classes_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "one.py", "two.py", content=CLASS)
    with pytest.raises(PackagingError, match=r"in several files \(one\.py, two\.py\) at its top; name one"):
        build(tmp_path, NOTHING)
    with pytest.raises(PackagingError, match=r"has class 'Model' in several files"):
        build(tmp_path, PackageOptions(class_name="Model"))
    assert build(tmp_path, PackageOptions(class_name="two.py:Model")).entrypoint == "two.py:Model"
    with pytest.raises(PackagingError, match=r"has no three\.py"):
        build(tmp_path, PackageOptions(class_name="three.py:Model"))


def test_a_directory_without_a_model_or_with_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="has no files"):
        build(tmp_path, NOTHING)
    fill(tmp_path, "notes.txt")
    with pytest.raises(PackagingError, match="a model: an artifact or a public class in no file at its top"):
        build(tmp_path, NOTHING)
    fill(tmp_path, "a.onnx", "b.joblib")
    with pytest.raises(PackagingError, match=r"has several models \(a\.onnx, b\.joblib\); push one of them"):
        build(tmp_path, NOTHING)
