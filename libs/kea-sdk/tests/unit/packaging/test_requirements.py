from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from kea_sdk import PackagingError
from kea_sdk.packaging import requirements


def test_lines_that_are_given_are_taken(tmp_path: Path) -> None:
    assert requirements.given(None) is None
    assert requirements.given(["numpy ", "", " pandas>=2"]) == ("numpy", "pandas>=2")
    assert requirements.given([]) == ()


def test_a_file_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(
        "# needed\n\nnumpy==2.0  # fast\nurllib3 @ https://example.com/u.whl#sha256=ab\n"
        "scipy==1.17 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nuvloop; sys_platform == 'linux'\n",
        encoding="utf-8-sig",
    )
    assert requirements.given(str(path)) == (
        "numpy==2.0",
        "urllib3 @ https://example.com/u.whl#sha256=ab",
        "scipy==1.17",
        "uvloop; sys_platform == 'linux'",
    )


@pytest.mark.parametrize("line", ["-r other.txt", "--index-url https://example.com", "-e ."])
def test_options_of_pips_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"numpy\n{line}\n")
    with pytest.raises(PackagingError, match="is an option of pip's; expected requirements only"):
        requirements.given(tmp_path / "requirements.txt")


def test_a_file_that_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"^requirements \S+/gone\.txt cannot be read: No such file or directory$"):
        requirements.given(tmp_path / "gone.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(PackagingError, match="cannot be read: 'utf-8' codec"):
        requirements.given(tmp_path / "binary")


def test_versions_are_those_of_this_environment_with_what_they_need_directly() -> None:
    found = dict(line.split("==") for line in requirements.pinned(["scikit-learn", "nothing-installed"]))
    assert found["scikit-learn"] == importlib.metadata.version("scikit-learn")
    assert {"numpy", "scipy", "joblib", "threadpoolctl"} <= set(found)
    assert "pytest" not in found  # an extra's
    assert list(found) == sorted(found)


def test_labels_of_local_builds_are_of_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "2.5.1+cpu")
    assert requirements.installed("torch") == "2.5.1"


def test_modules_come_from_distributions_and_the_standard_library_from_none() -> None:
    assert requirements.of_modules(["yaml", "sklearn.linear_model", "json", "nothing"]) == {"PyYAML", "scikit-learn"}


def test_of_distributions_that_share_a_name_the_modules_own_is_taken() -> None:
    assert requirements.of_modules(["google.protobuf.message"]) == {"protobuf"}
    assert "protobuf" not in requirements.of_modules(["google.rpc.status_pb2"])
    assert {"protobuf", "googleapis-common-protos"} <= requirements.of_modules(["google"])


def test_sources_need_what_they_import_wherever_they_do_and_not_one_another(tmp_path: Path) -> None:
    files = {"model.py": tmp_path / "model.py", "inner/part.py": tmp_path / "part.py", "data.bin": tmp_path / "gone"}
    files["model.py"].write_text("import os, inner.part\nfrom . import x\ndef f():\n    import yaml\n")
    files["inner/part.py"].write_text("try:\n    from numpy import linalg\nexcept ImportError: ...\n")
    assert [line.partition("==")[0] for line in requirements.of_sources(files)] == ["numpy", "pyyaml"]
