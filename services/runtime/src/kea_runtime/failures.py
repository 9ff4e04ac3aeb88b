"""Lines of JSON on stderr: for calls that failed through no fault of their caller, and what an owner must know."""

from __future__ import annotations

import json
import sys
import traceback
from datetime import UTC, datetime

from kea_runtime.errors import CallError, ModelFailed, OutputInvalid

_MAX_TRACEBACK = 16_384
"""Characters; the end of a traceback is the part that tells."""


def log_failure(error: BaseException, request_id: str, path: str) -> None:
    """Writes the error with its cause's traceback. Callers' own mistakes are not logged: Envoy has them in its log."""
    if isinstance(error, CallError) and not isinstance(error, ModelFailed | OutputInvalid):
        return
    cause = error.__cause__ if isinstance(error, ModelFailed) and error.__cause__ is not None else error
    _write(
        "ERROR",
        "call failed",
        {
            "reason": error.reason if isinstance(error, CallError) else "INTERNAL",
            "request_id": request_id,
            "path": path,
            "error": f"{type(cause).__name__}: {cause}"[:_MAX_TRACEBACK],
            "traceback": "".join(traceback.format_exception(cause))[-_MAX_TRACEBACK:],
        },
    )


def log_unjoinable(method: str) -> None:
    """Writes that the calls of a method are not joined any more."""
    _write("WARNING", "calls are not joined any more", {"method": method, "error": "the model gives no row per row"})


def _write(severity: str, event: str, facts: dict[str, str]) -> None:
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "severity": severity, "event": event, **facts}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
