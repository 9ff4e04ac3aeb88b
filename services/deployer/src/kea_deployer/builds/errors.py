"""What can go wrong with builds, beside what can go wrong with images (`kea_oci.errors`)."""

from __future__ import annotations

from kea_core.errors import FailedPrecondition


class BaseImageUnsuitable(FailedPrecondition):
    """Nothing can be built on the base image that is set."""

    reason = "BASE_IMAGE_UNSUITABLE"

    def __init__(self, image: str, problem: str) -> None:
        super().__init__(f"base image {image}: {problem}", image=image, problem=problem)


class ImagePlatformMissing(FailedPrecondition):
    """An image that somebody else has made is not for a machine that it should run on."""

    reason = "IMAGE_PLATFORM_MISSING"

    def __init__(self, image: str, platform: str, offered: str) -> None:
        super().__init__(
            f"image {image} is not for {platform}, which models run on here, only for {offered}",
            image=image,
            platform=platform,
            offered=offered,
        )
