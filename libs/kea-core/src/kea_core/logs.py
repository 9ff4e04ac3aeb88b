"""Logs: one JSON object per line on standard error."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import cast

MAX_FIELD = 16_384
"""Characters kept of one field, tracebacks included."""

MAX_ENTRIES = 50
"""Entries kept of one mapping or list in a field."""

MAX_DEPTH = 3
"""Mappings and lists within one another; what is deeper is told as text."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Event, level, logger and time, and whatever was given as `extra`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line of JSON, whatever it carries."""
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": _event(record)[:MAX_FIELD],
        }
        extras = {key: _field(value) for key, value in vars(record).items() if key not in _PLAIN}
        document |= {f"extra_{key}" if key in document else key: value for key, value in extras.items()}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)[-MAX_FIELD:]
        return json.dumps(document, ensure_ascii=False)


def _event(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit their format: better told so than not at all
        return _text(record.msg)


def _field(value: object) -> object:
    plain = _plain(value, MAX_DEPTH)
    if isinstance(plain, dict | list):
        text = json.dumps(plain, ensure_ascii=False)
        return plain if len(text) <= MAX_FIELD else text[:MAX_FIELD]
    return plain


def _plain(value: object, depth: int) -> object:
    """Returns what JSON can tell. Subclasses of str speak for themselves, so secrets stay secret."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth and isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value).items()
        return {_text(key): _plain(entry, depth - 1) for key, entry in islice(entries, MAX_ENTRIES)}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry, depth - 1) for entry in islice(cast("Iterable[object]", value), MAX_ENTRIES)]
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)[:MAX_FIELD]
    except Exception:  # noqa: BLE001 - a log line must not be lost to what it speaks of
        return f"<{type(value).__name__}>"


def configure_logs(service: str, level: str = "INFO") -> None:
    """Sends all logs of this process to standard error, as JSON lines. Called by `main` functions only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("aiosqlite", "alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
