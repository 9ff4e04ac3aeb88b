"""What is done about replicas on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from kea_deployer.domain.plan import Action


@dataclass(frozen=True, slots=True)
class Start(Action):
    """Start the process of a replica."""

    replica: str


@dataclass(frozen=True, slots=True)
class Drain(Action):
    """Let a replica finish what it has accepted, then end it. Again and again is as good as once."""

    replica: str


@dataclass(frozen=True, slots=True)
class Kill(Action):
    """End a replica that does not answer."""

    replica: str
