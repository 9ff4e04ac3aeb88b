"""A deployment: what is wanted, and how it is doing."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kea_core.resource_name import parse_name

from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.pod_template import PodTemplate

DEFAULT_REPLICAS = 1

ARTIFACT_READY = "ArtifactReady"
ENVIRONMENT_READY = "EnvironmentReady"
REPLICAS_READY = "ReplicasReady"

ARTIFACT_FAILED = "ARTIFACT_FAILED"
ENVIRONMENT_FAILED = "ENVIRONMENT_FAILED"
MODEL_LOAD_FAILED = "MODEL_LOAD_FAILED"
REPLICA_CRASHED = "REPLICA_CRASHED"
REPLICA_SILENT = "REPLICA_SILENT"
PENDING = "PENDING"
READY = "READY"


class State(enum.Enum):
    """Whether a deployment serves."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    DELETING = "DELETING"
    IDLE = "IDLE"


class ReplicaState(enum.Enum):
    """Where a replica is in its life."""

    STARTING = "STARTING"
    READY = "READY"
    BACKING_OFF = "BACKING_OFF"
    DRAINING = "DRAINING"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model version, as far as serving it is concerned."""

    name: str
    """`projects/{project}/models/{model}/versions/{number}`."""
    framework: str
    """`sklearn`, `onnx` or `python`."""
    entrypoint: str
    signature: Mapping[str, Any]
    """In its JSON form."""
    requirements: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One aspect of the state."""

    type: str
    holds: bool | None
    """None: not known yet."""
    reason: str
    message: str
    transition_time: datetime
    """When `holds` last changed."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One process that serves the model."""

    id: str
    number: int
    """Counts the replicas of a deployment; the newest has the highest."""
    state: ReplicaState
    http_address: str
    grpc_address: str
    pid: int
    """0 where there is no process."""
    process_time: float
    """When the process began, as the kernel tells it: pids are used again."""
    restart_count: int
    start_time: datetime | None
    restart_time: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """How a deployment is doing."""

    state: State = State.CREATING
    reconciling: bool = True
    step: str = ""
    """What is under way, for people."""
    conditions: tuple[Condition, ...] = ()
    replicas: tuple[Replica, ...] = ()
    image: str = ""
    """What replicas run, pinned by digest; empty until it is built, and where they are processes of this machine."""

    def condition(self, kind: str) -> Condition | None:
        """Returns one condition, or None where nothing is known of it."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    @property
    def problem(self) -> Condition | None:
        """The first condition that does not hold."""
        return next((condition for condition in self.conditions if condition.holds is False), None)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model version, served by a number of replicas."""

    name: str
    model: ModelVersion
    replica_count: int
    wanted_revision: int
    """Of the change feed, when what is wanted last changed. Source of the etag."""
    status: Status
    create_time: datetime
    update_time: datetime
    pod_template: PodTemplate = field(default_factory=PodTemplate)
    autoscaling: Autoscaling | None = None
    """Steers the number of replicas while `replica_count`, which then is the fewest, is not 0."""
    managed_by: str = ""
    """The custom resource that manages it, `{namespace}/{name}`; empty: none does."""
    prebuilt_image: str = ""
    """An image that somebody else has made for it; empty: one is built."""

    @property
    def etag(self) -> str:
        """The etag (AIP-154): quoted, as HTTP writes it."""
        return f'"{self.wanted_revision}"'

    @property
    def deleting(self) -> bool:
        """Whether it is being taken down."""
        return self.status.state is State.DELETING

    @property
    def key(self) -> str:
        """What files of this deployment are called by: ids have no dots."""
        return ".".join(parse_name(self.name, "projects", "deployments"))
