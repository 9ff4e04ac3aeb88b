"""What there is of an MLDeployment, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import timestamp_pb2
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import endpoint_pb2

from kea_deployer.operator.conditions import Condition

MODEL_READY, DEPLOYMENT_READY, ENDPOINT_READY = "ModelReady", "DeploymentReady", "EndpointReady"


@dataclass(frozen=True, slots=True)
class Version:
    """The model version that is to serve."""

    name: str
    """`projects/{project}/models/{model}/versions/{number}`."""
    number: int
    create_time: timestamp_pb2.Timestamp


@dataclass(frozen=True, slots=True)
class Observed:
    """What KEA has."""

    endpoint: endpoint_pb2.Endpoint | None
    """Of the name that is wanted, whoever manages it."""
    strays: tuple[str, ...] = ()
    """Endpoints of other names that the resource manages: of another project that its namespace was in."""
    deployments: tuple[deployment_pb2.Deployment, ...] = ()
    """Those that the resource manages."""
    others: frozenset[str] = frozenset()
    """Deployments that endpoints of others send requests to."""
    taken: frozenset[str] = frozenset()
    """Names of deployments that are others'."""


@dataclass(frozen=True, slots=True)
class CreateDeployment:
    """Brings a version up."""

    name: str
    message: deployment_pb2.Deployment


@dataclass(frozen=True, slots=True)
class UpdateDeployment:
    """Changes how a version runs."""

    message: deployment_pb2.Deployment
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteDeployment:
    """Takes a version down."""

    name: str


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """Publishes the name."""

    name: str
    message: endpoint_pb2.Endpoint


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """Sends requests elsewhere, or changes who may send them."""

    message: endpoint_pb2.Endpoint
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    """Withdraws the name."""

    name: str


DeploymentAction = CreateDeployment | UpdateDeployment | DeleteDeployment
EndpointAction = CreateEndpoint | UpdateEndpoint | DeleteEndpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and what to tell."""

    conditions: tuple[Condition, ...]
    actions: tuple[DeploymentAction | EndpointAction, ...] = ()
    """In this order. Each is right by itself, so that a stop between any two does no harm."""
    state: str = ""
    """In a word, for people."""
    deployment: str = ""
    """The one that serves the version, or is to."""
    version: int = 0
    """Number of that version; 0 where there is none."""
    replicas: int = 0
    ready_replicas: int = 0
    again_seconds: float | None = None
    """Longest pause until another look at what no watch tells of; None where there is no such thing."""
    gone: bool = False
    """Nothing is left of what the resource made."""
