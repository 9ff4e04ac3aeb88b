"""What the deployer must know to lay out a runtime: `python -m kea_runtime.layer describe | copy DIR`.

Services never import one another, so the deployer runs this and reads JSON. Standard library only, and quick.

The layer is a directory made by installing `layer_requirements` into it (`uv pip install --target DIR`, for the model
environment's Python version), and copying the sources beside them. `--link-mode=copy` matters: an extension module that
is one file on disk, hard-linked into the layer and the model's environment, is loaded once, and runtime and model would
share its state.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

LAYER_REQUIREMENTS = (
    "grpcio>=1.80,<2",
    "httptools>=0.7,<1",
    "jsonschema-rs>=0.40,<1",
    "orjson>=3.11,<4",
    'uvloop>=0.21,<1; sys_platform != "win32"',
)
"""The runtime's own packages. numpy is not among them: it is the model's."""

BASE_REQUIREMENTS = ("numpy>=1.26",)
"""What every model environment must have: the runtime hands models arrays."""

FRAMEWORK_REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "sklearn": ("scikit-learn", "joblib"),
    "onnx": ("onnxruntime",),
    "python": (),
}
"""What a model environment gets when the version names no requirements of its own."""

SKOPS_REQUIREMENTS = ("skops",)
"""Added when the entrypoint ends in .skops."""

TABLE_REQUIREMENTS = ("pandas",)
"""Added when a method of the signature has `table: true`."""

INSTALL_ARGUMENTS = ("--link-mode=copy",)

_SOURCES: dict[str, tuple[str, ...]] = {"kea_runtime": ("**/*.py",), "kea_openapi": ("__init__.py", "signature.py")}
"""The files of each package that the runtime imports; the rest of `kea_openapi` would need packages of its own."""


def source_roots() -> list[Path]:
    """Returns the package directories whose files belong into the layer under the packages' names."""
    return [_package(name) for name in _SOURCES]


def digest(roots: Iterable[Path]) -> str:
    """Returns a hash that changes when the layer must be laid out anew."""
    whole = hashlib.sha256(json.dumps((LAYER_REQUIREMENTS, INSTALL_ARGUMENTS)).encode())
    for root in roots:
        for path in _files(root):
            content = path.read_bytes()
            whole.update(f"\0{root.name}/{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            whole.update(content)
    return whole.hexdigest()


def describe() -> dict[str, object]:
    """Returns all of it as JSON values."""
    roots = source_roots()
    return {
        "layer_requirements": list(LAYER_REQUIREMENTS),
        "install_arguments": list(INSTALL_ARGUMENTS),
        "source_roots": [str(root) for root in roots],
        "bootstrap": str(roots[0] / "bootstrap.py"),
        "base_requirements": list(BASE_REQUIREMENTS),
        "framework_requirements": {name: list(lines) for name, lines in FRAMEWORK_REQUIREMENTS.items()},
        "skops_requirements": list(SKOPS_REQUIREMENTS),
        "table_requirements": list(TABLE_REQUIREMENTS),
        "digest": digest(roots),
    }


def copy(layer: Path) -> None:
    """Copies the sources into a layer, and compiles them: the first replica would spend its start on that."""
    for root in source_roots():
        for path in _files(root):
            target = layer / root.name / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        compileall.compile_dir(layer / root.name, quiet=2)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns the exit status."""
    parser = argparse.ArgumentParser(prog="kea_runtime.layer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("describe", help="print what a layer is made of, as JSON")
    commands.add_parser("copy", help="copy the runtime's sources into a layer").add_argument("directory", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "copy":
        copy(options.directory)
    else:
        sys.stdout.write(json.dumps(describe()) + "\n")
    return 0


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        message = f"package {name} is not installed"
        raise ModuleNotFoundError(message)
    return Path(found.origin).parent


def _files(root: Path) -> list[Path]:
    return sorted(path for pattern in _SOURCES[root.name] for path in root.glob(pattern))


if __name__ == "__main__":
    sys.exit(main())
