"""Logs: one JSON object per line on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

MAX_FIELD = 16_384
"""Characters kept of one field, tracebacks included."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Event, level, logger and time, and whatever was given as `extra`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line of JSON."""
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": record.getMessage()[:MAX_FIELD],
        }
        document |= {key: value for key, value in vars(record).items() if key not in _PLAIN}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)[-MAX_FIELD:]
        return json.dumps(document, default=str, ensure_ascii=False)


def configure_logs(service: str, level: str = "INFO") -> None:
    """Sends all logs of this process to standard error, as JSON lines. Called by `main` functions only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("aiosqlite", "alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
