"""Lines of several deployments as one stream."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from kea_sdk.resources import LogLine

_EPOCH = datetime.fromtimestamp(0, UTC)
_QUEUED = 1000
"""Lines read ahead of who reads them."""


def merged(streams: Sequence[Iterator[LogLine]]) -> Iterator[LogLine]:
    """Gives the lines of streams that end, oldest first."""
    return heapq.merge(*streams, key=lambda line: line.time or _EPOCH)


def following(streams: Sequence[Iterator[LogLine]]) -> Iterator[LogLine]:
    """Gives lines as they come until all streams have ended; the first failure ends it."""
    if len(streams) == 1:
        yield from streams[0]
        return
    lines: queue.Queue[LogLine | Exception | None] = queue.Queue(_QUEUED)

    def read(stream: Iterator[LogLine]) -> None:
        try:
            for line in stream:
                lines.put(line)
            lines.put(None)
        except Exception as error:  # noqa: BLE001 - raised again by who reads the lines
            lines.put(error)

    for stream in streams:
        # daemons: a stream that is followed ends with the process at the latest, and holds nothing that must be closed
        threading.Thread(target=read, args=(stream,), name="log stream", daemon=True).start()
    open_streams = len(streams)
    while open_streams:
        line = lines.get()
        if line is None:
            open_streams -= 1
        elif isinstance(line, Exception):
            raise line
        else:
            yield line
