"""Building the image of a deployment's model, as the ground for its replicas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kea_core.errors import KeaError
from kea_oci.errors import RegistryUnavailable
from kea_oci.reference import ImageReference

from kea_deployer.builds.workshop import ImageWorkshop
from kea_deployer.domain.deployment import Deployment
from kea_deployer.provision.preparations import Fetch, Refusal
from kea_deployer.provision.uv import Note

log = logging.getLogger(__name__)

KEY = "deployment."
"""Tells a deployment's scratch files from a build's."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class ImageGround:
    """Implements `kea_deployer.provision.preparations.Lay`: returns the image, pinned.

    Args:
        workshop: where images are made.
    """

    def __init__(self, workshop: ImageWorkshop) -> None:
        self._workshop = workshop

    async def __call__(self, deployment: Deployment, fetch: Fetch, *, note: Note, step: Callable[[str], None]) -> str:
        """Builds and pushes, or looks up what is there; where the registry is away, goes on when it is back.

        Raises:
            UvError: the model's requirements cannot be met.
            Refusal: the base or the prebuilt image is unsuitable, or the registry refuses.
        """

        async def look_up() -> ImageReference:
            step("looking up the image")
            return await self._workshop.pin(deployment.prebuilt_image)

        async def build() -> ImageReference:
            step("waiting for other builds")
            async with self._workshop.builder(f"{KEY}{deployment.key}", deployment.model) as builder:
                built = await builder.build(deployment.model, await fetch(), note=note, step=step)
                return built.reference

        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return str(await (look_up() if deployment.prebuilt_image else build()))
            except RegistryUnavailable as error:
                note(str(error))
                step("waiting for the image registry")
                log.warning("image registry away", extra={"deployment": deployment.name, "problem": str(error)})
            except KeaError as error:
                raise Refusal(error.reason, str(error)) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
