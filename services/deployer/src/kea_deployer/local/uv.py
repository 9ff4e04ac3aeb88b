"""Running uv, which resolves requirements and lays packages out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from collections.abc import Callable, Mapping

import uv
from kea_core.lifeline import guarded

MAX_LINES = 200
"""Last lines of uv's output kept for an error."""

Note = Callable[[str], None]
"""Told of each line."""


class UvError(Exception):
    """Uv failed; the message is its own words."""


class Uv:
    """Runs uv with this machine's settings (indexes, proxies, caches) and no others of KEA's.

    Args:
        lifeline: read end of the platform's lifeline; uv ends with the platform.
        environ: variables uv gets.
    """

    def __init__(self, lifeline: int, environ: Mapping[str, str]) -> None:
        self._lifeline = lifeline
        self.environ = {key: value for key, value in environ.items() if not key.startswith("KEA_")}
        self.environ |= {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
        self.environ.pop("VIRTUAL_ENV", None)

    async def run(self, *arguments: str, note: Note) -> None:
        """Runs uv to its end; where the caller is cancelled, uv is killed.

        Raises:
            UvError: it failed.
        """
        await run_to_end([uv.find_uv_bin(), *arguments], self._lifeline, self.environ, note)


async def run_to_end(argv: list[str], lifeline: int, environ: Mapping[str, str], note: Note) -> None:
    """Runs a program under the lifeline and gives its lines to `note`.

    Raises:
        UvError: it ended with another code than 0; the message is what it wrote last.
    """
    process = await asyncio.create_subprocess_exec(
        *guarded(lifeline, argv),
        env=dict(environ),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        pass_fds=(lifeline,),
        start_new_session=True,
    )
    lines: deque[str] = deque(maxlen=MAX_LINES)
    try:
        if process.stdout is not None:
            async for line in process.stdout:
                text = line.decode(errors="replace").rstrip()
                lines.append(text)
                note(text)
        code = await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if code:
        raise UvError("\n".join(line for line in lines if line) or f"ended with code {code}")
