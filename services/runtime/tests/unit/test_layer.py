from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kea_runtime import layer
from kea_runtime.spec import Address, SpecError


def test_describe_prints_json() -> None:
    command = [sys.executable, "-m", "kea_runtime.layer", "describe"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - the test's own command
    described = json.loads(printed)
    assert described == layer.describe()
    assert set(described) == {
        "layer_requirements",
        "install_arguments",
        "source_roots",
        "bootstrap",
        "base_requirements",
        "framework_requirements",
        "skops_requirements",
        "table_requirements",
        "digest",
    }
    assert Path(described["bootstrap"]).is_file()
    assert set(described["framework_requirements"]) == {"sklearn", "onnx", "python"}


def test_describe_needs_the_standard_library_only() -> None:
    code = (
        "import sys, kea_runtime.layer; sys.exit(any(name in sys.modules for name in ('numpy', 'grpc', 'httptools')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - as above


def test_copy_lays_out_what_is_hashed(tmp_path: Path) -> None:
    layer.copy(tmp_path)
    assert (tmp_path / "kea_openapi" / "signature.py").is_file()
    assert (tmp_path / "kea_runtime" / "frameworks" / "sklearn.py").is_file()
    roots = [tmp_path / "kea_runtime", tmp_path / "kea_openapi"]
    assert layer.digest(roots) == layer.digest(layer.source_roots())
    (tmp_path / "kea_runtime" / "pace.py").write_text("")
    assert layer.digest(roots) != layer.digest(layer.source_roots())


def test_addresses_are_unix_paths_or_host_and_port() -> None:
    assert Address.parse("unix:/a/b") == Address(path=Path("/a/b"))
    assert Address.parse("127.0.0.1:80") == Address(host="127.0.0.1", port=80)
    assert str(Address.parse("[::1]:80")) == "[::1]:80"
    for wrong in ("", "80", "host:", ":80"):
        with pytest.raises(SpecError):
            Address.parse(wrong)
