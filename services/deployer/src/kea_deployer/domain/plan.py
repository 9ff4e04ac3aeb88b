"""What a platform decides about one deployment, and the port to platforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kea_deployer.domain.deployment import Deployment, Status

MAX_MESSAGE = 4096
"""Characters kept of why something failed."""
HEAD = 1024
"""How many of them are of its begin, where it is longer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not come up."""

    reason: str
    """UPPER_SNAKE_CASE; becomes the condition's reason."""
    message: str
    final: bool
    """Whether trying the same again cannot help."""

    @classmethod
    def told(cls, reason: str, message: str, *, final: bool) -> Failure:
        """Returns one in another program's words, made such that every database and every protocol takes them."""
        text = message.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}").strip()
        if len(text) > MAX_MESSAGE:
            text = f"{text[:HEAD]} … {text[HEAD + 3 - MAX_MESSAGE :]}"
        return cls(reason, text, final)


class Action:
    """Something a platform does about a deployment; each platform has its own."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from what is wanted and what is: written first, then done."""

    status: Status
    actions: tuple[Action, ...] = ()
    gone: bool = False
    """Whether nothing is left of a deployment that is being deleted."""
    again_time: datetime | None = None
    """When to look again though nothing happens."""


class Platform(Protocol):
    """Where replicas run."""

    def check(self, deployment: Deployment) -> None:
        """Checks that what is wanted can be had here.

        Raises:
            KeaError: it cannot.
        """
        ...

    def plan(self, deployment: Deployment, now: datetime) -> Plan:
        """Compares what is wanted with what is."""
        ...

    async def apply(self, deployment: Deployment, actions: Sequence[Action]) -> None:
        """Does what was planned; the deployment is as it was written."""
        ...

    async def forget(self, name: str) -> None:
        """Removes what is kept of a deployment that is gone."""
        ...
