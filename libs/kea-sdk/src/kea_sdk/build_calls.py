"""What the client does with builds of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kea_sdk import convert
from kea_sdk.builds import Builds
from kea_sdk.deadline import Deadline, patiently
from kea_sdk.deployments import Report
from kea_sdk.errors import BuildFailed, DeadlineExceeded
from kea_sdk.reference import Reference, checked_id
from kea_sdk.resources import Build, LogLine

BUILD_SECONDS = 1800.0
TAIL_LINES = 1000


class BuildCalls:
    """The part of the client that has images made.

    Args:
        builds: the deployer's calls.
    """

    project: str

    def __init__(self, builds: Builds) -> None:
        self._builds = builds

    def build(
        self,
        reference: str,
        *,
        platforms: Sequence[str] = (),
        wait: bool = True,
        timeout: float = BUILD_SECONDS,
        report: Report = lambda _step: None,
    ) -> Build:
        """Has the container image of a model version made, without deploying it.

        Args:
            reference: `MODEL`, `MODEL:NUMBER` or `MODEL@ALIAS`.
            platforms: what it is for, for example `linux/amd64`. Empty: what KEA is set to make images for.
            wait: False returns at once, with a build that goes on by itself.
            timeout: seconds.
            report: told of each step.

        Raises:
            BuildFailed: there is no image; the reason is the build's own, and `build_logs` tells more.
            FailedPrecondition: KEA makes no images, reason `IMAGES_NOT_CONFIGURED`.
            ResourceExhausted: too many builds wait.
            DeadlineExceeded: it took longer; it goes on all the same.
        """
        begun = convert.build(self._builds.create(Reference.parse(reference).name(self.project), platforms))
        return self.wait_for_build(begun.name, timeout=timeout, report=report) if wait else begun

    def wait_for_build(
        self, build: str, *, timeout: float = BUILD_SECONDS, report: Report = lambda _step: None
    ) -> Build:
        """Returns a build once its image is there.

        Args:
            build: its id.
            timeout: seconds.
            report: told of each step.

        Raises:
            BuildFailed: there is no image; the reason is the build's own, or `BUILD_CANCELLED`.
            DeadlineExceeded: it took longer; it goes on all the same.
        """
        found = self.find_build(build)

        def look() -> bool:
            nonlocal found
            found = self.find_build(build)
            if found.step:
                report(found.step)
            return found.ended

        try:
            patiently(look, Deadline(timeout), f"build {build}")
        except DeadlineExceeded as error:
            problem = f"{error}; it goes on: wait for it, or cancel it"
            raise DeadlineExceeded(problem) from error
        if found.state == "SUCCEEDED":
            return found
        message = found.error_message or f"build {build} was cancelled"
        raise BuildFailed(message, reason=found.error_reason or "BUILD_CANCELLED", metadata={"build": build})

    def builds(self) -> list[Build]:
        """Returns all builds, newest first, without their locks."""
        return [convert.build(entry) for entry in self._builds.all()]

    def find_build(self, build: str) -> Build:
        """Returns a build.

        Raises:
            NotFound: there is none.
        """
        return convert.build(self._builds.get(checked_id(build, "build's id")))

    def build_logs(self, build: str, *, follow: bool = False, tail: int = TAIL_LINES) -> Iterator[LogLine]:
        """Gives the last lines of a build, oldest first; with `follow` also those to come, until it has ended."""
        return self._builds.logs(checked_id(build, "build's id"), tail=tail, follow=follow)

    def cancel_build(self, build: str) -> Build:
        """Cancels a build; one that runs ends soon after.

        Raises:
            FailedPrecondition: it has ended otherwise.
        """
        return convert.build(self._builds.cancel(checked_id(build, "build's id")))

    def delete_build(self, build: str) -> None:
        """Forgets a build that has ended. Its image stays.

        Raises:
            FailedPrecondition: it has not ended.
        """
        self._builds.delete(checked_id(build, "build's id"))
