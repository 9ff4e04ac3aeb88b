"""A catalog held in memory: for tests, and for showing the portal without a platform."""

from __future__ import annotations

from collections.abc import Iterable

from kea_gateway.portal.catalog import CatalogUnavailableError, ServedModel


class MemoryCatalog:
    """Knows the models it is given.

    Args:
        models: all of them, of any project.
    """

    def __init__(self, models: Iterable[ServedModel] = ()) -> None:
        self._models = {(model.project, model.name): model for model in models}
        self.available = True
        """Where false, every question ends as if no service were reached."""

    def put(self, model: ServedModel) -> None:
        """Adds or replaces a model."""
        self._models[model.project, model.name] = model

    async def list_models(self, project: str) -> list[ServedModel]:
        """Returns a project's models by name."""
        self._ask()
        return [model for (owner, _), model in sorted(self._models.items()) if owner == project]

    async def get_model(self, project: str, name: str) -> ServedModel | None:
        """Returns one model."""
        self._ask()
        return self._models.get((project, name))

    def _ask(self) -> None:
        if not self.available:
            problem = "the catalog is not reached"
            raise CatalogUnavailableError(problem)
