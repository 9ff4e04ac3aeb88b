"""Compiles what runs inside of Envoy: `services/router/wasm/*.c` to modules of WebAssembly.

Usage: wasm.py [--check]. With --check nothing is written and the exit code is 1 where a committed module differs.
The compiler is the package ziglang, laid out by uv for this run only: it is large, and nothing else needs it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "services" / "router" / "wasm"
MODULES = ROOT / "services" / "router" / "src" / "kea_router" / "translate"
COMPILER = "ziglang==0.15.2"
OPTIONS = ("-target", "wasm32-freestanding", "-Os", "-nostdlib", "-Wall", "-Wextra", "-Werror")
LINKING = ("-Wl,--no-entry", "-Wl,--export-dynamic", "-Wl,--strip-all")


def compiled(source: Path, scratch: Path) -> bytes:
    """Returns the module of a source."""
    target = scratch / f"{source.stem}.wasm"
    uv = Path(sys.executable).with_name("uv")
    run = [str(uv), "run", "--no-project", "--isolated", "--with", COMPILER, "python", "-m", "ziglang", "cc"]
    subprocess.run([*run, *OPTIONS, *LINKING, "-o", str(target), source.name], check=True, cwd=source.parent)
    return target.read_bytes()


def main() -> int:
    """Writes or checks all modules."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only tell whether the committed modules are of today")
    check: bool = parser.parse_args().check
    stale: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kea-wasm-") as scratch:
        for source in sorted(SOURCES.glob("*.c")):
            module, target = compiled(source, Path(scratch)), MODULES / f"{source.stem}.wasm"
            if check and (not target.is_file() or target.read_bytes() != module):
                stale.append(str(target.relative_to(ROOT)))
            elif not check:
                target.write_bytes(module)
    for name in stale:
        sys.stderr.write(f"{name} is not what its source comes to; run `make wasm`\n")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
