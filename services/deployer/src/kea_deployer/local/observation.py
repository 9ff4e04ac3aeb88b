"""What is known of a deployment on this machine, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from kea_deployer.domain.plan import Failure


@dataclass(frozen=True, slots=True)
class Observation:
    """A replica's process."""

    running: bool = False
    answers: bool = False
    """Whether it serves: it says so itself, and its last health check passed."""
    silent: bool = False
    """Whether it has not answered for so long that it must be ended."""
    failure: Failure | None = None
    """Why it ended last, or must be; None where it never did, or has answered since."""
    attempts: int = 0
    """How often in a row it ended before it had served for a while."""
    pid: int = 0
    process_time: float = 0.0


UNSEEN = Observation()
"""A replica of which nothing is known here."""
