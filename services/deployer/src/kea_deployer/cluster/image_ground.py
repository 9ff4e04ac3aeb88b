"""Building the image of a deployment's model, as the ground for its replicas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kea_core.errors import KeaError
from kea_oci.errors import RegistryUnavailable
from kea_oci.reference import ImageReference

from kea_deployer.builds.image_builder import ImageBuilder
from kea_deployer.domain.deployment import Deployment
from kea_deployer.provision.preparations import Fetch, Refusal
from kea_deployer.provision.uv import Note

log = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 2
"""Images built at the same time."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class ImageGround:
    """Implements `kea_deployer.provision.preparations.Lay`: returns the image, pinned.

    Args:
        builder: builds images.
        pin: looks up an image that somebody else has made (`kea_deployer.builds.prebuilt`).
    """

    def __init__(self, builder: ImageBuilder, pin: Callable[[str], Awaitable[ImageReference]]) -> None:
        self._builder = builder
        self._pin = pin
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, deployment: Deployment, fetch: Fetch, *, note: Note, step: Callable[[str], None]) -> str:
        """Builds and pushes, or looks up what is there; where the registry is away, goes on when it is back.

        Raises:
            UvError: the model's requirements cannot be met.
            Refusal: the base or the prebuilt image is unsuitable, or the registry refuses.
        """
        if deployment.prebuilt_image:
            step("looking up the image")
            return str(await self._patiently(lambda: self._pin(deployment.prebuilt_image), deployment, note, step))
        artifact = await fetch()
        step("waiting for other builds")
        async with self._turns:
            built = await self._patiently(
                lambda: self._builder.build(deployment.model, artifact, note=note, step=step), deployment, note, step
            )
        return str(built.reference)

    async def _patiently(
        self, work: Callable[[], Awaitable[T]], deployment: Deployment, note: Note, step: Callable[[str], None]
    ) -> T:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await work()
            except RegistryUnavailable as error:
                note(str(error))
                step("waiting for the image registry")
                log.warning("image registry away", extra={"deployment": deployment.name, "problem": str(error)})
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            except KeaError as error:
                raise Refusal(error.reason, str(error)) from error
