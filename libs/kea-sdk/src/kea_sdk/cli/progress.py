"""Progress on stderr, where someone looks at it: on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

from kea_sdk.cli.printing import printable


def upload_progress(name: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """Shows a bar for an upload; gives what is to be called with the bytes sent and the bytes there are."""
    return _byte_progress(f"pushing {name}")


def download_progress(name: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """Shows a bar for a download; gives what is to be called with the bytes here and the bytes there are."""
    return _byte_progress(f"downloading {name}")


@contextmanager
def _byte_progress(what: str) -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def line_progress(first: str) -> Generator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Shows the step under way, and lines above it; gives what is to be called with each step, and with each line.

    Lines are shown where nobody looks, too: they are what is left of it.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(first, total=None)

        def show(line: str) -> None:
            progress.console.print(escape(printable(line)), highlight=False, soft_wrap=True)

        yield lambda step: progress.update(task, description=escape(step)), show


@contextmanager
def step_progress(first: str) -> Generator[Callable[[str], None]]:
    """Shows the step under way and for how long; gives what is to be called with each step."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(first, total=None)
        yield lambda step: progress.update(task, description=step)
