"""Whose turn it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from kea_deployer.domain.build import Build

AT_ONCE = 2
"""Builds that run at the same time: each compiles and compresses on as many cores as there are."""
MAX_QUEUED = 200
"""Builds that wait, of all projects."""


def next_build(queued: Sequence[Build], running: Collection[Build], served: Sequence[str]) -> Build | None:
    """Returns the build to run next, or None where there is none or enough run.

    Projects take turns: first that of which fewest run, then the one that was served longest ago or never, then the
    one that has waited longest. Within a project the oldest comes first.

    Args:
        queued: what waits, oldest first.
        running: what runs.
        served: projects in the order in which they last got a turn, the latest last.
    """
    if len(running) >= AT_ONCE:
        return None
    busy = Counter(build.project for build in running)
    turns = {project: turn for turn, project in enumerate(served, start=1)}
    return min(
        queued,
        key=lambda build: (busy[build.project], turns.get(build.project, 0), build.create_time, build.name),
        default=None,
    )
