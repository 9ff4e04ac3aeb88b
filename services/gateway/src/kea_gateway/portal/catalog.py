"""What the portal knows of served models, and where it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kea_openapi.signature import Signature


class CatalogUnavailableError(Exception):
    """The services that know are not reached, and nothing is remembered; the text says which."""


@dataclass(frozen=True, slots=True)
class ServedTarget:
    """A deployment behind a model's name, and its share of the requests."""

    deployment: str
    """Id of the deployment."""
    version: int
    """Model version it serves; 0 where it is not known."""
    weight: int
    """Share in basis points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model under its public name."""

    project: str
    name: str
    """Id of the endpoint."""
    state: str
    """`ACTIVE` or `UNAVAILABLE`."""
    version: int
    """Version that gets most requests; 0 where it is not known."""
    framework: str
    description: str
    signature: Signature | None
    """What that version takes and gives; None where it is not known, as while its deployment is missing."""
    targets: tuple[ServedTarget, ...]
    limits: tuple[str, ...] = ()
    """What its endpoint takes at most, a phrase for each limit."""

    @property
    def prefix(self) -> str:
        """What the model's paths begin with: nothing in project `default`."""
        return "" if self.project == "default" else f"/projects/{self.project}"


class Catalog(Protocol):
    """Knows the served models."""

    async def list_models(self, project: str) -> list[ServedModel]:
        """Returns a project's models by name.

        Raises:
            CatalogUnavailableError: nothing is known of the project.
        """
        ...

    async def get_model(self, project: str, name: str) -> ServedModel | None:
        """Returns one model, or None where there is none of that name.

        Raises:
            CatalogUnavailableError: nothing is known of it.
        """
        ...
