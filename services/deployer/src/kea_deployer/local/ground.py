"""What a replica on this machine needs to be started, and how it is laid out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kea_deployer.domain.deployment import Deployment
from kea_deployer.local.environments import Environments
from kea_deployer.local.runtime_layer import Layers
from kea_deployer.provision.preparations import Fetch
from kea_deployer.provision.recipe import Recipe, requirements_of, without_passwords
from kea_deployer.provision.uv import Note


@dataclass(frozen=True, slots=True)
class Ground:
    """All a replica needs to be started."""

    artifact: Path
    python: Path
    layer: Path


class GroundLayer:
    """Implements `kea_deployer.provision.preparations.Lay`."""

    def __init__(self, environments: Environments, layers: Layers, recipe: Recipe) -> None:
        self._environments = environments
        self._layers = layers
        self._recipe = recipe

    async def __call__(
        self, deployment: Deployment, fetch: Fetch, *, note: Note, step: Callable[[str], None]
    ) -> Ground:
        """Fetches the artifact, and lays out the environment and the model server's layer.

        Raises:
            UvError: the model's requirements cannot be met.
        """
        artifact = await fetch()
        step("laying out the environment")
        requirements = requirements_of(deployment.model, self._recipe)
        note(f"environment: {without_passwords(', '.join(requirements))}")
        python = await self._environments.get(requirements, note)
        return Ground(artifact, python, await self._layers.get(self._recipe, note))
