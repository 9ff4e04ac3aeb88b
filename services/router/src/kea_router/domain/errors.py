"""What can go wrong with endpoints."""

from __future__ import annotations

from kea_core.errors import AlreadyExists, FieldViolation, InvalidArgument, NotFound


class EndpointNotFound(NotFound):
    """There is no endpoint of that name."""

    reason = "ENDPOINT_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class EndpointExists(AlreadyExists):
    """There is an endpoint of that name."""

    reason = "ENDPOINT_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is there already", name=name)


class WeightsInvalid(InvalidArgument):
    """The weights do not add up to 10000."""

    reason = "WEIGHTS_INVALID"

    def __init__(self, total: int) -> None:
        description = f"weights add up to {total}; expected 10000"
        violations = [FieldViolation("endpoint.targets", description)]
        super().__init__(f"endpoint.targets: {description}", violations=violations, total=str(total))


class TargetDuplicate(InvalidArgument):
    """A deployment is a target twice."""

    reason = "TARGET_DUPLICATE"

    def __init__(self, deployment: str) -> None:
        description = f"{deployment} appears twice; expected each deployment once"
        violations = [FieldViolation("endpoint.targets", description)]
        super().__init__(f"endpoint.targets: {description}", violations=violations, deployment=deployment)


class TargetProjectMismatch(InvalidArgument):
    """A target is of another project than the endpoint."""

    reason = "TARGET_PROJECT_MISMATCH"

    def __init__(self, deployment: str, project: str) -> None:
        description = f"{deployment} is of another project; expected one of projects/{project}"
        violations = [FieldViolation("endpoint.targets", description)]
        super().__init__(
            f"endpoint.targets: {description}", violations=violations, deployment=deployment, project=project
        )


class TimeoutInvalid(InvalidArgument):
    """The time-out is out of its range."""

    reason = "TIMEOUT_INVALID"

    def __init__(self, seconds: float) -> None:
        description = f"is {seconds} s; expected 0.001 s to 3600 s"
        violations = [FieldViolation("endpoint.timeout", description)]
        super().__init__(f"endpoint.timeout {description}", violations=violations, seconds=str(seconds))


class LimitInvalid(InvalidArgument):
    """A limit is out of its bounds."""

    reason = "LIMIT_INVALID"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field} {description}", violations=[FieldViolation(field, description)], field=field)
