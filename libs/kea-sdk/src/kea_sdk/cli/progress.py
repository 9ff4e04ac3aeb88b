"""Progress on stderr, where someone looks at it: on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def upload_progress(name: str) -> Generator[Callable[[int, int], None]]:
    """Shows a bar for an upload; gives what is to be called with the bytes sent and the bytes there are."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"pushing {name}", total=None)
        yield lambda sent, total: progress.update(task, completed=sent, total=total)


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
