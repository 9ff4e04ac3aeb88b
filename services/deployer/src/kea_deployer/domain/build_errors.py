"""What can go wrong with builds as resources; what goes wrong while one runs is the build's own failure."""

from __future__ import annotations

from collections.abc import Sequence

from kea_core.errors import (
    Cancelled,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)


class BuildNotFound(NotFound):
    """There is no build of that name."""

    reason = "BUILD_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there", name=name)


class BuildEnded(FailedPrecondition):
    """The build has ended, and cannot be cancelled any more."""

    reason = "BUILD_ENDED"

    def __init__(self, name: str, state: str) -> None:
        super().__init__(f"{name} has {state}, and cannot be cancelled any more", name=name, state=state)


class BuildNotEnded(FailedPrecondition):
    """The build has not ended."""

    reason = "BUILD_NOT_ENDED"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has not ended; only those that have can be deleted", name=name)


class BuildFailed(FailedPrecondition):
    """There is no image; the reason is the build's own."""

    reason = "BUILD_FAILED"

    def __init__(self, name: str, reason: str, message: str) -> None:
        super().__init__(message, name=name)
        self.reason = reason


class BuildCancelled(Cancelled):
    """There is no image, because somebody cancelled the build."""

    reason = "BUILD_CANCELLED"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was cancelled", name=name)


class BuildQueueFull(ResourceExhausted):
    """As many builds wait as may."""

    reason = "BUILD_QUEUE_FULL"

    def __init__(self, bound: int) -> None:
        super().__init__(
            f"{bound} builds wait, which is as many as may; try again when some have ended", bound=str(bound)
        )


class BuildProjectMismatch(InvalidArgument):
    """The model version is of another project than the build."""

    reason = "BUILD_PROJECT_MISMATCH"

    def __init__(self, model_version: str, project: str) -> None:
        description = f"{model_version} is of another project; expected one of projects/{project}"
        violations = [FieldViolation("build.model_version", description)]
        super().__init__(
            f"build.model_version: {description}", violations=violations, model_version=model_version, project=project
        )


class BuildPlatformUnsupported(InvalidArgument):
    """No image can be made for a platform."""

    reason = "BUILD_PLATFORM_UNSUPPORTED"

    def __init__(self, platform: str, problem: str) -> None:
        violations = [FieldViolation("build.platforms", problem)]
        super().__init__(f"build.platforms: {problem}", violations=violations, platform=platform)


class ImagesNotConfigured(FailedPrecondition):
    """The deployer is not told what images stand on, or where they go."""

    reason = "IMAGES_NOT_CONFIGURED"

    def __init__(self, missing: Sequence[str]) -> None:
        settings = " and ".join(missing)
        super().__init__(f"no images are made here: the deployer's settings {settings} are not set", settings=settings)
