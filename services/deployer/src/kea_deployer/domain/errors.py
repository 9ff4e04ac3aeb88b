"""What can go wrong with deployments."""

from __future__ import annotations

from kea_core.errors import (
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    Unimplemented,
)


class DeploymentNotFound(NotFound):
    """There is no deployment of that name."""

    reason = "DEPLOYMENT_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class DeploymentExists(AlreadyExists):
    """There is a deployment of that name."""

    reason = "DEPLOYMENT_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is there already", name=name)


class DeploymentDeleting(FailedPrecondition):
    """The deployment is being taken down."""

    reason = "DEPLOYMENT_DELETING"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is being deleted", name=name)


class DeploymentFailed(FailedPrecondition):
    """A deployment could not be brought to what was wanted; the reason is that of the condition which does not hold."""

    reason = "DEPLOYMENT_FAILED"

    def __init__(self, name: str, reason: str, message: str) -> None:
        super().__init__(message, name=name)
        self.reason = reason


class NotOnThisPlatform(FailedPrecondition):
    """What is asked for is a cluster's to give, and replicas are processes of this machine."""

    reason = "NOT_ON_THIS_PLATFORM"

    def __init__(self, name: str) -> None:
        field = f"deployment.{name}"
        super().__init__(f"{field} needs platform kubernetes; here replicas are processes of one machine", field=field)


class SecretNotAllowed(InvalidArgument):
    """A variable comes from a Secret that is not models' to read."""

    reason = "SECRET_NOT_ALLOWED"

    def __init__(self, variable: str, secret: str, prefix: str) -> None:
        description = f"is {secret!r} for {variable}; expected a name that begins with {prefix}"
        field = "deployment.pod_template.environment.secret.name"
        super().__init__(f"{field} {description}", violations=[FieldViolation(field, description)], secret=secret)


class PrebuiltImageInvalid(InvalidArgument):
    """What stands for an image is no name of one."""

    reason = "PREBUILT_IMAGE_INVALID"

    def __init__(self, image: str, problem: str) -> None:
        field = "deployment.prebuilt_image"
        violations = [FieldViolation(field, problem)]
        super().__init__(f"{field}: {problem}", violations=violations, image=image, problem=problem)


class OperationNotFound(NotFound):
    """There is no operation of that name."""

    reason = "OPERATION_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class OperationNotDone(FailedPrecondition):
    """The operation has not ended."""

    reason = "OPERATION_NOT_DONE"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has not ended; only those that have can be deleted", name=name)


class OperationCancelUnsupported(Unimplemented):
    """Operations on deployments cannot be cancelled."""

    reason = "OPERATION_CANCEL_UNSUPPORTED"

    def __init__(self) -> None:
        super().__init__("operations on deployments cannot be cancelled; delete the deployment instead")


class OperationParentInvalid(InvalidArgument):
    """Operations were asked for of something that has none."""

    reason = "OPERATION_PARENT_INVALID"

    def __init__(self, name: str) -> None:
        description = f"is {name!r}; expected projects/{{project}}"
        super().__init__(f"name {description}", violations=[FieldViolation("name", description)], name=name)


class OperationFilterUnsupported(InvalidArgument):
    """Operations cannot be filtered."""

    reason = "OPERATION_FILTER_UNSUPPORTED"

    def __init__(self) -> None:
        description = "is not supported; expected nothing"
        super().__init__(f"filter {description}", violations=[FieldViolation("filter", description)])


class ModelProjectMismatch(InvalidArgument):
    """The model version is of another project than the deployment."""

    reason = "MODEL_PROJECT_MISMATCH"

    def __init__(self, model_version: str, project: str) -> None:
        description = f"{model_version} is of another project; expected one of projects/{project}"
        violations = [FieldViolation("deployment.model_version", description)]
        super().__init__(
            f"deployment.model_version: {description}",
            violations=violations,
            model_version=model_version,
            project=project,
        )


class ModelVersionUnusable(FailedPrecondition):
    """The registry knows more of model versions than this deployer does."""

    reason = "MODEL_VERSION_UNUSABLE"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} cannot be served here: {problem}", name=name, problem=problem)
