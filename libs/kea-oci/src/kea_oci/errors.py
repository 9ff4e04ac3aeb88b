"""What can go wrong with images.

KeaError
├── BadImageReference     the text names no image
├── BadImageDocument      a manifest, an index or a configuration is not what the specification says
├── ImageNotFound         the registry has no such image
├── PlatformNotFound      it has the image, but not for the platform
├── RegistryDenied        the registry wants other credentials
├── RegistryRefused       the registry does not take what it was sent
├── RegistryUnavailable   the registry does not answer, or not as a registry does
└── BlobDamaged           what arrived is not what its digest says
"""

from __future__ import annotations

from kea_core.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)

MAX_LINE_CHARACTERS = 300


def line(text: str) -> str:
    """Returns a text as one line of bounded length: registries choose what they say, and terminals show it."""
    cut = text if len(text) <= MAX_LINE_CHARACTERS else f"{text[:MAX_LINE_CHARACTERS]}…"
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(cut.split()))


class BadImageReference(InvalidArgument):
    """The text names no image."""

    reason = "IMAGE_REFERENCE_INVALID"

    def __init__(self, reference: str, problem: str) -> None:
        reference, problem = reference[:MAX_LINE_CHARACTERS], line(problem)
        super().__init__(f"image {reference!r}: {problem}", image=reference, problem=problem)


class BadImageDocument(FailedPrecondition):
    """A manifest, an index or a configuration is not what the specification says."""

    reason = "IMAGE_DOCUMENT_INVALID"

    def __init__(self, what: str, problem: str) -> None:
        problem = line(problem)
        super().__init__(f"{what}: {problem}", what=what, problem=problem)


class ImageNotFound(NotFound):
    """The registry has no such image."""

    reason = "IMAGE_NOT_FOUND"

    def __init__(self, image: str) -> None:
        super().__init__(f"there is no image {image}", image=image)


class PlatformNotFound(NotFound):
    """The image is there, but not for this platform."""

    reason = "IMAGE_PLATFORM_NOT_FOUND"

    def __init__(self, image: str, platform: str, offered: str) -> None:
        offered = line(offered)
        super().__init__(
            f"image {image} is not offered for {platform}, only for {offered}",
            image=image,
            platform=platform,
            offered=offered,
        )


class RegistryDenied(FailedPrecondition):
    """The registry wants other credentials. Those are KEA's own: it is no lack of the caller's rights."""

    reason = "REGISTRY_DENIED"

    def __init__(self, registry: str, problem: str) -> None:
        problem = line(problem)
        super().__init__(f"registry {registry} refuses: {problem}", registry=registry, problem=problem)


class RegistryRefused(FailedPrecondition):
    """The registry does not take what it was sent."""

    reason = "REGISTRY_REFUSED"

    def __init__(self, registry: str, problem: str) -> None:
        problem = line(problem)
        super().__init__(f"registry {registry} does not accept this: {problem}", registry=registry, problem=problem)


class RegistryUnavailable(Unavailable):
    """The registry does not answer, or not as a registry does.

    Args:
        registry: `HOST` or `HOST:PORT`.
        problem: what it does instead.
        retry_after: None: to try again at once is of no use. Otherwise it is, after the seconds that the registry asks
            for, in its own words; empty where it says nothing.
    """

    reason = "REGISTRY_UNAVAILABLE"

    def __init__(self, registry: str, problem: str, *, retry_after: str | None = None) -> None:
        problem = line(problem)
        super().__init__(f"registry {registry}: {problem}", registry=registry, problem=problem)
        self.retry_after = retry_after


class BlobDamaged(DataLoss):
    """What arrived is not what its digest says."""

    reason = "IMAGE_BLOB_DAMAGED"

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, got {found}", expected=expected, found=found)
