"""An endpoint as its owner wants it."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from kea_core.resource_name import parse_name

from kea_router.domain.errors import TargetDuplicate, TargetProjectMismatch, TimeoutInvalid, WeightsInvalid
from kea_router.domain.limits import NO_LIMITS, Limits

WHOLE = 10_000
"""All requests of an endpoint, in basis points."""

DEFAULT_TIMEOUT_SECONDS = 60.0
MIN_TIMEOUT_SECONDS = 0.001
"""What Envoy counts in; it takes less than this for no bound at all."""
MAX_TIMEOUT_SECONDS = 3600.0


class Retry(enum.Enum):
    """Which requests that failed on the way are sent to another replica."""

    UNSENT = "UNSENT"
    """Those of which no replica has seen anything."""
    UNANSWERED = "UNANSWERED"
    """Those that got no answer too: a method may run twice."""


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment, and its share of the requests."""

    deployment: str
    """`projects/{project}/deployments/{deployment}`."""
    weight: int
    """Basis points, 0 to 10000."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A stable public name and where its requests go."""

    name: str
    """`projects/{project}/endpoints/{endpoint}`."""
    targets: tuple[Target, ...]
    timeout_seconds: float
    """Longest time of one request; 0 for the default."""
    revision: int
    """Of the change feed; changes with every change. Source of the etag."""
    create_time: datetime
    update_time: datetime
    retry: Retry = Retry.UNSENT
    """Which requests that failed on the way are sent to another replica."""
    managed_by: str = ""
    """The custom resource that manages it, `{namespace}/{name}`; empty: none does."""
    limits: Limits = NO_LIMITS
    """What it takes at most."""

    @property
    def etag(self) -> str:
        """The etag (AIP-154): quoted, as HTTP writes it."""
        return f'"{self.revision}"'

    @property
    def effective_timeout_seconds(self) -> float:
        """The time-out that holds."""
        return self.timeout_seconds or DEFAULT_TIMEOUT_SECONDS

    def check(self) -> None:
        """Checks what the proto's bounds cannot say.

        Raises:
            WeightsInvalid: the weights do not add up to 10000.
            TargetDuplicate: a deployment appears twice.
            TargetProjectMismatch: a target is of another project.
            TimeoutInvalid: the time-out is out of range.
            LimitInvalid: a limit is.
        """
        project, _ = parse_name(self.name, "projects", "endpoints")
        for deployment, count in Counter(target.deployment for target in self.targets).items():
            if count > 1:
                raise TargetDuplicate(deployment)
            if parse_name(deployment, "projects", "deployments")[0] != project:
                raise TargetProjectMismatch(deployment, project)
        total = sum(target.weight for target in self.targets)
        if total != WHOLE:
            raise WeightsInvalid(total)
        if self.timeout_seconds and not MIN_TIMEOUT_SECONDS <= self.timeout_seconds <= MAX_TIMEOUT_SECONDS:
            raise TimeoutInvalid(self.timeout_seconds)
        self.limits.check("endpoint.limits")
