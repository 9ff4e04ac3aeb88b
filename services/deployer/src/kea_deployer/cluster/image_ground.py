"""Building the image of a deployment's model, as the ground for its replicas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from kea_core.errors import KeaError
from kea_oci.errors import RegistryUnavailable

from kea_deployer.builds.image_builder import ImageBuilder
from kea_deployer.domain.deployment import Deployment
from kea_deployer.provision.preparations import Refusal
from kea_deployer.provision.uv import Note

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Images built at the same time."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class ImageGround:
    """Implements `kea_deployer.provision.preparations.Lay`: returns the image, pinned."""

    def __init__(self, builder: ImageBuilder) -> None:
        self._builder = builder
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, deployment: Deployment, artifact: Path, *, note: Note, step: Callable[[str], None]) -> str:
        """Builds and pushes; where the registry is away, goes on when it is back.

        Raises:
            UvError: the model's requirements cannot be met.
            Refusal: the base is unsuitable, or the registry refuses.
        """
        step("waiting for other builds")
        async with self._turns:
            pause = FIRST_PAUSE_SECONDS
            while True:
                try:
                    built = await self._builder.build(deployment.model, artifact, note=note, step=step)
                except RegistryUnavailable as error:
                    note(str(error))
                    step("waiting for the image registry")
                    log.warning("image registry away", extra={"deployment": deployment.name, "problem": str(error)})
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                except KeaError as error:
                    raise Refusal(error.reason, str(error)) from error
                else:
                    return str(built.reference)
