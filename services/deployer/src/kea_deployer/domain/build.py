"""A build: the making of a model version's image, and how it is going."""

from __future__ import annotations

import enum
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from kea_core.resource_name import parse_name

from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.domain.plan import Failure

BUILD_BROKEN = "BUILD_BROKEN"
"""What builds fail with that fail for reasons of the deployer's own; its log has the rest."""
CANCELLING = "cancelling"
MAX_STEP = 256
"""Characters kept of a step."""


class BuildState(enum.Enum):
    """How far a build is."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({BuildState.SUCCEEDED, BuildState.FAILED, BuildState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Product:
    """What a build has made."""

    image: str
    """Pinned by digest."""
    base: str
    """What the image stands on, pinned by digest."""
    locks: Mapping[str, str]
    """What the requirements came to, by target."""
    bytes_pushed: int


@dataclass(frozen=True, slots=True)
class Build:
    """One build. What it is for never changes."""

    name: str
    """`projects/{project}/builds/{build}`; those of later builds are greater."""
    model: ModelVersion
    platforms: tuple[str, ...]
    """At least one, each once."""
    destination: str
    """`HOST[:PORT]/PATH:TAG`."""
    operation: str
    """Name of its operation, of which all is said here; empty where that was deleted."""
    create_time: datetime
    state: BuildState = BuildState.QUEUED
    step: str = ""
    """What is under way, for people."""
    cancelling: bool = False
    """Whether it runs, and somebody has asked that it should not."""
    product: Product | None = None
    failure: Failure | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    @classmethod
    def queue(
        cls, project: str, model: ModelVersion, platforms: tuple[str, ...], destination: str, now: datetime
    ) -> Build:
        """Returns a new build."""
        milliseconds = int(now.timestamp() * 1000)
        return cls(
            name=f"projects/{project}/builds/b{milliseconds:011x}-{secrets.token_hex(4)}",
            model=model,
            platforms=platforms,
            destination=destination,
            operation=f"projects/{project}/operations/{uuid.uuid4()}",
            create_time=now,
        )

    @property
    def project(self) -> str:
        """Id of the project."""
        return parse_name(self.name, "projects", "builds")[0]

    @property
    def key(self) -> str:
        """What files of this build are called by: ids have no dots."""
        return ".".join(parse_name(self.name, "projects", "builds"))

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.state in ENDED

    def start(self, now: datetime) -> Build:
        """Returns it running."""
        return replace(self, state=BuildState.RUNNING, start_time=now)

    def at(self, step: str) -> Build:
        """Returns it at another step; one that has ended, or is being cancelled, is at none."""
        return self if self.ended or self.cancelling else replace(self, step=step[:MAX_STEP])

    def cancel(self, now: datetime) -> Build:
        """Returns it cancelled, or, where it runs, about to be."""
        if self.ended:
            return self
        if self.state is BuildState.RUNNING:
            return replace(self, cancelling=True, step=CANCELLING)
        return self.stop(now)

    def stop(self, now: datetime) -> Build:
        """Returns it cancelled: nothing of it runs any more."""
        return replace(self, state=BuildState.CANCELLED, step="", cancelling=False, end_time=now)

    def succeed(self, product: Product, now: datetime) -> Build:
        """Returns it ended well."""
        return replace(self, state=BuildState.SUCCEEDED, step="", cancelling=False, product=product, end_time=now)

    def fail(self, failure: Failure, now: datetime) -> Build:
        """Returns it ended with a failure."""
        return replace(self, state=BuildState.FAILED, step="", cancelling=False, failure=failure, end_time=now)

    def resume(self, now: datetime) -> Build:
        """Returns what becomes of it where it was found running, and nobody runs it: queued again, or cancelled."""
        return self.stop(now) if self.cancelling else replace(self, state=BuildState.QUEUED, step="")
