"""The composition root: spec, model, servers, signals. Imported from the layer, before the layer is hidden."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from kea_runtime import frameworks
from kea_runtime.calling import Threads
from kea_runtime.methods import ServedModel
from kea_runtime.server import serve
from kea_runtime.spec import Spec, write_state

try:
    from uvloop import run as run_loop
except ImportError:  # optional in the layer: a quarter faster, and not built for every platform
    from asyncio import run as run_loop

EX_CONFIG = 78
EX_SOFTWARE = 70


def run(spec_file: Path) -> int:
    """Loads the model and serves until SIGTERM; ends the process, or returns the exit status when it never served.

    0 after a drain; 78 when the model cannot be loaded, where starting again will not help; 70 when serving broke.
    """
    try:
        spec = Spec.from_json(json.loads(spec_file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        traceback.print_exc()
        return EX_CONFIG
    threads = Threads()
    try:
        model = load(spec, threads)
    except BaseException as error:  # noqa: BLE001 - models raise anything, SystemExit included
        traceback.print_exc()
        _fail(spec, "MODEL_LOAD_FAILED", error)
        return EX_CONFIG
    status = 0
    try:
        run_loop(serve(spec, model, on_ready=lambda: write_state(spec.ready_file, {"state": "READY"})))
    except Exception as error:  # noqa: BLE001 - the last line of the process's life
        traceback.print_exc()
        _fail(spec, "RUNTIME_FAILED", error)
        status = EX_SOFTWARE
    finally:
        threads.close()
    # A model's threads that hang would keep the interpreter from ending; all calls are answered or past their time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def load(spec: Spec, threads: Threads) -> ServedModel:
    """Returns the model, ready to be called; whatever its code raises comes out as it is."""
    return ServedModel(
        name=spec.model,
        version=spec.version,
        platform=spec.framework,
        signature=spec.signature,
        bind=frameworks.load(spec),
        threads=threads,
    )


def _fail(spec: Spec, reason: str, error: BaseException) -> None:
    message = traceback.format_exception_only(error)[-1].strip()
    write_state(spec.ready_file, {"state": "FAILED", "reason": reason, "message": message})
