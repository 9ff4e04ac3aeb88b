"""Generates the stubs of `libs/kea-api` from `protos/`.

Usage: generate.py [--check]. With --check nothing is written and the exit code is 1 where the committed stubs differ.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import grpc_tools

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = ROOT / "libs" / "kea-api" / "src"
GOOGLE = ROOT / "build" / "googleapis"
GOOGLE_FILES = (
    "google/api/annotations.proto",
    "google/api/client.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/api/launch_stage.proto",
    "google/api/resource.proto",
    "google/longrunning/operations.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)


def site_packages() -> Path:
    """Returns the directory that googleapis-common-protos is installed in."""
    return Path(str(resources.files("google.api"))).parent.parent


def lay_out_google() -> None:
    """Copies Google's API protos to where buf finds them."""
    for name in GOOGLE_FILES:
        source = site_packages() / name
        if not source.exists():  # the package calls longrunning's file operations_proto.proto
            source = source.with_name("operations_proto.proto")
        target = GOOGLE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def generate(target: Path) -> None:
    """Writes all stubs below `target`."""
    lay_out_google()
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{PROTOS}", f"-I{GOOGLE}", f"-I{well_known}"),
            *(f"--python_out={target}", f"--pyi_out={target}", f"--grpc_python_out={target}"),
            *files,
        ],
        check=True,
    )


def generate_operations(target: Path) -> None:
    """Writes the gRPC half of google.longrunning.Operations to `kea/longrunning/v1`.

    googleapis-common-protos has one, but xds-protos lays another `operations_pb2` over the one it belongs to, and
    whichever was installed last wins. This one imports only `google.longrunning.operations_pb2`, which both packages
    have.
    """
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc"),
                *(f"-I{GOOGLE}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"),
                *(f"--grpc_python_out={scratch}", "google/longrunning/operations.proto"),
            ],
            check=True,
        )
        package = target / "kea" / "longrunning" / "v1"
        package.mkdir(parents=True)
        shutil.copy(Path(scratch) / "google" / "longrunning" / "operations_pb2_grpc.py", package)


def differences(made: Path, committed: Path) -> list[str]:
    """Returns the stubs that are missing, left over or different in `committed`."""
    names = {str(path.relative_to(made)) for path in made.rglob("*.py*")}
    names |= {str(path.relative_to(committed)) for path in committed.rglob("*.py*") if "__pycache__" not in path.parts}
    return sorted(
        name
        for name in names
        if not (made / name).exists()
        or not (committed / name).exists()
        or not filecmp.cmp(made / name, committed / name, shallow=False)
    )


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed stubs, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        generate(made)
        generate_operations(made)
        if arguments.check:
            wrong = differences(made, STUBS)
            for name in wrong:
                print(f"stub differs from its proto: {name}; run `make generate`")
            return 1 if wrong else 0
        shutil.rmtree(STUBS / "kea", ignore_errors=True)
        shutil.copytree(made / "kea", STUBS / "kea")
    return 0


if __name__ == "__main__":
    sys.exit(main())
