"""What is done on a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from kea_deployer.cluster.api import Object
from kea_deployer.domain.plan import Action


@dataclass(frozen=True, slots=True)
class Put(Action):
    """Make an object what is wanted."""

    item: Object
    ours: bool
    """Whether it is there and KEA's: only then is what others changed in it taken back."""


@dataclass(frozen=True, slots=True)
class Remove(Action):
    """Remove an object."""

    kind: str
    name: str
