"""What can go wrong with builds, beside what can go wrong with images (`kea_oci.errors`)."""

from __future__ import annotations

from kea_core.errors import FailedPrecondition


class BaseImageUnsuitable(FailedPrecondition):
    """Nothing can be built on the base image that is set."""

    reason = "BASE_IMAGE_UNSUITABLE"

    def __init__(self, image: str, problem: str) -> None:
        super().__init__(f"base image {image}: {problem}", image=image, problem=problem)
