"""A number of replicas that follows the load."""

from __future__ import annotations

from dataclasses import dataclass

from kea_core.errors import FieldOutOfBounds, FieldViolation

FIELD = "deployment.autoscaling"


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Bounds of the number, and what it is steered by. A target of 0 is none."""

    min_replica_count: int
    max_replica_count: int
    target_cpu_percent: int = 0
    target_requests_per_second: int = 0

    def check(self) -> None:
        """Checks that it can be followed.

        Raises:
            FieldOutOfBounds: the bounds cross, or nothing steers it.
        """
        if self.max_replica_count < self.min_replica_count:
            least = self.min_replica_count
            description = f"is {self.max_replica_count}; expected at least min_replica_count, {least}"
            raise FieldOutOfBounds([FieldViolation(f"{FIELD}.max_replica_count", description)])
        if not self.target_cpu_percent and not self.target_requests_per_second:
            description = "is not set, and target_requests_per_second neither; expected one of them"
            raise FieldOutOfBounds([FieldViolation(f"{FIELD}.target_cpu_percent", description)])
