"""Starts the model server inside a model's environment, keeping the two apart.

`<model environment>/bin/python -I bootstrap.py --layer DIR --spec FILE`, or in an image, where the model's packages are
in a directory, `python3 -I -S bootstrap.py --packages DIR --layer DIR --spec FILE`: without `site` none of the image's
own packages are found.

The runtime needs packages of its own, in versions of its own; so may the model, of the same packages. The order of the
steps is what keeps both happy: import numpy, the one package that they share, from the model's environment; put the
layer in the environment's place and import all that the runtime will ever need; swap them back; and only then let
anything of the model be imported. The runtime's modules keep the references they hold; everyone else who asks for
`click` or `orjson` finds the model's, or nothing. The price: nothing of the layer may be imported late.

This file needs the standard library only, and runs before anything else is known to be importable.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import site
import sys
import sysconfig
import traceback
from pathlib import Path

EX_CONFIG = 78
OWN_PACKAGES = frozenset({"kea_runtime", "kea_openapi"})
"""Stay importable after the layer is hidden: nobody else has packages of these names."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Numeric libraries read these once, on import. One thread each unless the deployer says otherwise: replicas scale."""


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM and returns the exit status."""
    parser = argparse.ArgumentParser(description="Serve one model.")
    parser.add_argument("--layer", required=True, type=Path, help="directory with the runtime's own packages")
    parser.add_argument("--packages", type=Path, help="directory with the model's packages")
    parser.add_argument("--spec", required=True, type=Path, help="what to serve")
    options = parser.parse_args(arguments)
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    try:
        layer = str(options.layer.resolve(strict=True))
        if options.packages is not None:
            site.addsitedir(str(options.packages.resolve(strict=True)))  # with what its .pth files ask for
        importlib.import_module("numpy")
        environment = list(sys.path)
        sys.path[:] = [layer, *standard_library(environment)]
        server = importlib.import_module("kea_runtime.main")
        sys.path[:] = environment
        hide(layer)
    except Exception as error:  # noqa: BLE001 - whatever keeps the runtime from being imported, the deployer hears of it
        traceback.print_exc()
        _report(options.spec, error)
        return EX_CONFIG
    status: int = server.run(options.spec)
    return status


def standard_library(path: list[str]) -> list[str]:
    """Returns the entries of an import path where the standard library is: optional imports must not find more."""
    places = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return [entry for entry in path if entry in places or entry.endswith(".zip") or Path(entry).name == "lib-dynload"]


def hide(layer: str) -> None:
    """Forgets all packages that came from a directory which is no longer on the import path."""
    for entry in [entry for entry in sys.path_importer_cache if entry == layer or entry.startswith(layer + os.sep)]:
        del sys.path_importer_cache[entry]
    # By top-level name: extension modules may have submodules that have no file of their own.
    names = {name.partition(".")[0] for name, module in list(sys.modules.items()) if _lies_in(module, layer)}
    for name in [name for name in sys.modules if name.partition(".")[0] in names - OWN_PACKAGES]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _lies_in(module: object, layer: str) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(isinstance(place, str) and place.startswith(layer + os.sep) for place in places)


def _report(spec: Path, error: Exception) -> None:
    """Writes the FAILED state without the runtime's help, which could not be imported."""
    try:
        ready_file = json.loads(spec.read_text(encoding="utf-8")).get("ready_file")
    except (OSError, ValueError):
        return
    if not ready_file:
        return
    message = traceback.format_exception_only(error)[-1].strip()
    draft = Path(f"{ready_file}.{os.getpid()}")
    draft.write_text(
        json.dumps({"state": "FAILED", "reason": "RUNTIME_LOAD_FAILED", "message": message}), encoding="utf-8"
    )
    draft.replace(ready_file)


if __name__ == "__main__":
    sys.exit(main())
