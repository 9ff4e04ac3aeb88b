"""Long-running operations on deployments (AIP-151)."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from kea_core.resource_name import parse_name

from kea_deployer.domain.deployment import Deployment, State


class Verb(enum.Enum):
    """What an operation does to a deployment."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    name: str
    """`projects/{project}/operations/{uuid}`."""
    deployment: str
    verb: Verb
    done: bool
    error_reason: str
    """Empty where it has not failed."""
    error_message: str
    create_time: datetime
    end_time: datetime | None

    @classmethod
    def begin(cls, deployment: str, verb: Verb, now: datetime) -> Operation:
        """Returns a new operation."""
        project, _ = parse_name(deployment, "projects", "deployments")
        return cls(
            name=f"projects/{project}/operations/{uuid.uuid4()}",
            deployment=deployment,
            verb=verb,
            done=False,
            error_reason="",
            error_message="",
            create_time=now,
            end_time=None,
        )

    def fail(self, reason: str, message: str, now: datetime) -> Operation:
        """Returns it ended with an error."""
        return replace(self, done=True, error_reason=reason, error_message=message, end_time=now)

    def succeed(self, now: datetime) -> Operation:
        """Returns it ended well."""
        return replace(self, done=True, end_time=now)


def advanced(operation: Operation, deployment: Deployment, now: datetime) -> Operation:
    """Returns an unfinished operation as the deployment's state has it: the same, or ended.

    A creation is done when the deployment serves, or is as small as was asked for; an update when all replicas are as
    wanted; a deletion when it is gone. The first two fail where a condition does not hold.
    """
    status = deployment.status
    if operation.done or operation.verb is Verb.DELETE:
        return operation
    if status.state is State.DELETING:
        return operation.fail("DEPLOYMENT_DELETING", f"{deployment.name} was deleted meanwhile", now)
    if status.state is State.ACTIVE and operation.verb is Verb.CREATE:
        return operation.succeed(now)
    problem = status.problem
    if problem is not None and status.state in {State.FAILED, State.ACTIVE}:
        return operation.fail(problem.reason, problem.message, now)
    if status.state in {State.ACTIVE, State.IDLE} and not status.reconciling:
        return operation.succeed(now)
    return operation
