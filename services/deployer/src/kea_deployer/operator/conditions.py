"""Conditions of a custom resource (`metav1.Condition`), and what becomes of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kea_deployer.operator.errors import MOST_OF_MESSAGE, Problem

READY = "Ready"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One aspect of a resource."""

    type: str
    status: str
    reason: str
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is so."""
        return self.status == TRUE


def holds(aspect: str, reason: str, message: str = "") -> Condition:
    """Returns that an aspect holds."""
    return Condition(aspect, TRUE, reason, message)


def fails(aspect: str, reason: str, message: str = "") -> Condition:
    """Returns that an aspect does not hold."""
    return Condition(aspect, FALSE, reason, message)


def problem_of(aspect: str, problem: Problem) -> Condition:
    """Returns what a problem means for an aspect."""
    return fails(aspect, problem.reason, str(problem))


def ready(aspects: Sequence[Condition], reason: str) -> Condition:
    """Returns `Ready`: it holds where all aspects do, else it tells of the first that does not."""
    for aspect in aspects:
        if not aspect.holds:
            return fails(READY, aspect.reason, aspect.message)
    return holds(READY, reason)


def unknown(before: Sequence[Mapping[str, Any]], aspects: Sequence[str], problem: Problem) -> list[Condition]:
    """Returns what is told while nothing can be found out: that `Ready` is not known, and all else as it was told."""
    told = {str(entry.get("type")): entry for entry in before}
    made = [Condition(READY, UNKNOWN, problem.reason, str(problem))]
    for aspect in aspects:
        old = told.get(aspect)
        if old is None:
            made.append(Condition(aspect, UNKNOWN, problem.reason, str(problem)))
        else:
            made.append(Condition(aspect, old["status"], old["reason"], old.get("message", "")))
    return made


def merged(
    before: Sequence[Mapping[str, Any]], now: Sequence[Condition], generation: int, time: datetime
) -> list[dict[str, Any]]:
    """Returns conditions as they stand in a status: the time of a transition stays where the status does."""
    known = {str(entry.get("type")): entry for entry in before}
    made: list[dict[str, Any]] = []
    for entry in now:
        old = known.get(entry.type, {})
        same = old.get("status") == entry.status and old.get("lastTransitionTime")
        made.append(
            {
                "type": entry.type,
                "status": entry.status,
                "reason": entry.reason,
                "message": entry.message[:MOST_OF_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if same else written(time),
            }
        )
    return made


def written(time: datetime) -> str:
    """Returns a time as Kubernetes writes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
