"""Running uv, which resolves requirements and lays packages out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import uv
from kea_core.lifeline import guarded

MAX_LINES = 200
"""Last lines of uv's output kept for an error."""
MAX_LINE_BYTES = 16 * 1024
"""Where a line is longer, it is taken for several."""
READ_BYTES = 64 * 1024
LONGEST_SECONDS = 1800.0
"""Longest run: what is built from source may take its time, and may hang."""
AT_ONCE = 4
"""Runs at the same time."""

Note = Callable[[str], None]
"""Told of each line."""


class UvError(Exception):
    """Uv failed; the message is its own words."""


class Uv:
    """Runs uv with this machine's settings (indexes, proxies, caches) and no others of KEA's.

    Args:
        lifeline: read end of the platform's lifeline; uv ends with the platform.
        environ: variables uv gets.
        longest_seconds: after which a run is ended.
    """

    def __init__(self, lifeline: int, environ: Mapping[str, str], *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._lifeline = lifeline
        self._environ = {key: value for key, value in environ.items() if not key.startswith("KEA_")}
        self._environ |= {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
        self._environ.pop("VIRTUAL_ENV", None)
        self._longest_seconds = longest_seconds
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self, *arguments: str, note: Note) -> None:
        """Runs uv to its end; where the caller is cancelled, uv is killed.

        Raises:
            UvError: it failed, or takes too long.
        """
        await self.run_program([uv.find_uv_bin(), *arguments], note)

    async def run_program(self, argv: list[str], note: Note) -> None:
        """Runs another program in the same way.

        Raises:
            UvError: it ended with another code than 0, and the message is what it wrote last; or it takes too long.
        """
        async with self._turns:
            try:
                async with asyncio.timeout(self._longest_seconds):
                    await self._run_to_end(argv, note)
            except TimeoutError as error:
                problem = f"not done within {self._longest_seconds:.0f} s"
                raise UvError(problem) from error

    async def _run_to_end(self, argv: list[str], note: Note) -> None:
        process = await asyncio.create_subprocess_exec(
            *guarded(self._lifeline, argv),
            env=self._environ,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            pass_fds=(self._lifeline,),
            start_new_session=True,
        )
        last: deque[str] = deque(maxlen=MAX_LINES)
        try:
            if process.stdout is not None:
                async with aclosing(_lines(process.stdout)) as lines:
                    async for line in lines:
                        last.append(line)
                        note(line)
            code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        if code:
            raise UvError("\n".join(line for line in last if line) or f"ended with code {code}")


async def _lines(stream: asyncio.StreamReader) -> AsyncGenerator[str, None]:
    """Yields lines of any length; a stream's own `readline` fails on long ones."""
    rest = b""
    while chunk := await stream.read(READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            yield line.decode(errors="replace").rstrip()
    if rest:
        yield rest.decode(errors="replace").rstrip()
