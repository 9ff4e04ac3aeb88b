"""Conditions that all platforms tell alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kea_deployer.domain.deployment import PENDING, READY, REPLICAS_READY, Condition, Status
from kea_deployer.domain.plan import Failure


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far the ground for replicas is laid."""

    step: str = ""
    """What is under way, for people."""
    artifact_ready: bool = False
    environment_ready: bool = False
    failure: Failure | None = None


def prepared(
    before: Status, kind: str, failed: str, preparation: Preparation, now: datetime, *, done: bool
) -> Condition:
    """Returns the condition on one part of the ground for replicas.

    Args:
        before: the status that was last written.
        kind: of the condition.
        failed: the reason that means it failed.
        preparation: how far the ground is.
        now: the present.
        done: whether this part is laid.
    """
    failure = preparation.failure
    if failure is not None and failure.reason == failed:
        return condition(before, kind, failure.reason, failure.message, now, holds=False)
    last = before.condition(kind)
    # A deployer that has just begun looks for what is there already, and nothing has changed.
    if done or (last is not None and last.holds is True):
        return condition(before, kind, READY, "", now, holds=True)
    return condition(before, kind, PENDING, preparation.step, now, holds=None)


def replicas_ready(
    before: Status, told: str, failure: Failure | None, now: datetime, *, holds: bool | None
) -> Condition:
    """Returns the condition on replicas.

    Args:
        before: the status that was last written.
        told: how many are ready.
        failure: why one is not; None where nothing is wrong.
        now: the present.
        holds: None while it is not known.
    """
    if holds is True:
        return condition(before, REPLICAS_READY, READY, told, now, holds=True)
    if failure is not None:
        return condition(before, REPLICAS_READY, failure.reason, failure.message, now, holds=holds)
    return condition(before, REPLICAS_READY, PENDING, told, now, holds=None)


def condition(before: Status, kind: str, reason: str, message: str, now: datetime, *, holds: bool | None) -> Condition:
    """Returns a condition, with the time since when it has held or not."""
    last = before.condition(kind)
    since = last.transition_time if last is not None and last.holds is holds else now
    return Condition(kind, holds, reason, message, since)
