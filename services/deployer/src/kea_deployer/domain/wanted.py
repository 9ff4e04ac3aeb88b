"""What a caller may say about how a deployment runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kea_core.errors import FieldOutOfBounds, FieldViolation, UpdateMaskInvalid

from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.deployment import DEFAULT_REPLICAS, Deployment
from kea_deployer.domain.pod_template import PodTemplate

MUTABLE = ("replica_count", "pod_template", "autoscaling")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What can be changed; None where nothing is said."""

    replica_count: int | None = None
    pod_template: PodTemplate | None = None
    autoscaling: Autoscaling | None = None

    def applied_to(self, deployment: Deployment, paths: Sequence[str]) -> Deployment:
        """Returns a deployment that is wanted as is said.

        Args:
            deployment: what was wanted before.
            paths: which fields count, also where nothing is said of them; `*`: all. Empty: those that are set.

        Raises:
            UpdateMaskInvalid: a path cannot be changed.
            FieldOutOfBounds: what comes out contradicts itself.
        """
        for path in paths:
            if path not in (*MUTABLE, "*"):
                raise UpdateMaskInvalid(path, MUTABLE)
        named = set(MUTABLE if "*" in paths else paths)
        if not named:
            named = {name for name in MUTABLE if getattr(self, name) is not None} or {"replica_count"}
        made = deployment
        if "pod_template" in named:
            made = replace(made, pod_template=self.pod_template or PodTemplate())
        if "autoscaling" in named:
            made = replace(made, autoscaling=self.autoscaling)
        if "replica_count" in named:
            made = replace(made, replica_count=DEFAULT_REPLICAS if self.replica_count is None else self.replica_count)
        made.pod_template.check()
        if made.autoscaling is None:
            return made
        made.autoscaling.check()
        return replace(made, replica_count=self._least(made, made.autoscaling, named))

    def _least(self, made: Deployment, autoscaling: Autoscaling, named: set[str]) -> int:
        """Returns 0 where nothing shall serve, else the fewest replicas there may be."""
        if "replica_count" in named and self.replica_count is not None:
            if self.replica_count not in (0, autoscaling.min_replica_count):
                description = f"is {self.replica_count} beside autoscaling; expected nothing, or 0 to serve nothing"
                raise FieldOutOfBounds([FieldViolation("deployment.replica_count", description)])
            return self.replica_count
        return autoscaling.min_replica_count if made.replica_count else 0
