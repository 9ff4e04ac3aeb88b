"""What stands where images are made, where none are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from kea_deployer.domain.build import Build
from kea_deployer.domain.build_errors import ImagesNotConfigured
from kea_deployer.domain.build_ports import BuildRefusal, Seal
from kea_deployer.domain.deployment import ModelVersion


class NoWorkshop:
    """Implements `kea_deployer.domain.build_ports.Workshop`: refuses everything.

    Args:
        missing: the settings without which nothing can be made.
    """

    def __init__(self, missing: Sequence[str]) -> None:
        self._refusal = ImagesNotConfigured(missing)

    def platforms(self, wanted: Sequence[str]) -> NoReturn:
        """Refuses.

        Raises:
            ImagesNotConfigured: always.
        """
        del wanted
        raise self._refusal

    def destination(self, model: ModelVersion) -> NoReturn:
        """Refuses.

        Raises:
            ImagesNotConfigured: always.
        """
        del model
        raise self._refusal

    async def make(
        self, build: Build, *, note: Callable[[str], None], step: Callable[[str], None], seal: Seal
    ) -> NoReturn:
        """Refuses what was queued when images were made here.

        Raises:
            BuildRefusal: always.
        """
        del build, note, step, seal
        raise BuildRefusal(self._refusal.reason, str(self._refusal))

    async def tidy(self, unfinished: Sequence[Build]) -> None:
        """Leaves alone what there may be: the settings may come back."""
