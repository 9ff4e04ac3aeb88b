"""Writes the descriptors of KEA's API, with comments, to where `kea_openapi` reads them.

Usage: describe.py [--check]. With --check nothing is written and the exit code is 1 where the committed file differs.
The stubs' own descriptors carry no comments, and Envoy's transcoder wants error details that no proto of KEA imports.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools
from generate import GOOGLE, PROTOS, ROOT, lay_out_google
from google.protobuf import descriptor_pb2

TARGET = ROOT / "libs" / "kea-openapi" / "src" / "kea_openapi" / "resources" / "api.binpb"
EXTRA = ("google/longrunning/operations.proto", "google/rpc/error_details.proto", "google/rpc/status.proto")
"""Beyond KEA's own: the operations service, and what errors are made of."""

DOCUMENTED = ("kea/", *EXTRA)
"""Files whose comments are kept; those of descriptor.proto alone would double the size."""


def describe() -> bytes:
    """Returns the serialized FileDescriptorSet, the same bytes for the same protos."""
    lay_out_google()
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "api.binpb"
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc"),
                *(f"-I{PROTOS}", f"-I{GOOGLE}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"),
                *("--include_imports", "--include_source_info", f"--descriptor_set_out={made}"),
                *files,
                *EXTRA,
            ],
            check=True,
        )
        described = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes())
    for file in described.file:
        if not file.name.startswith(DOCUMENTED):
            file.ClearField("source_code_info")
            continue
        kept = [location for location in file.source_code_info.location if location.leading_comments]
        for location in kept:  # positions in the file would make every edit a change of the descriptors
            location.ClearField("span")
            location.ClearField("leading_detached_comments")
            location.ClearField("trailing_comments")
        del file.source_code_info.location[:]
        file.source_code_info.location.extend(kept)
    return described.SerializeToString(deterministic=True)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    arguments = parser.parse_args()
    made = describe()
    if arguments.check:
        same = TARGET.exists() and TARGET.read_bytes() == made
        if not same:
            print(f"{TARGET.relative_to(ROOT)} differs from the protos; run `make generate`")
        return 0 if same else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
