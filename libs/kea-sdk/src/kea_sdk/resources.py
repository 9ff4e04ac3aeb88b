"""What the client gives back: plain values, free of protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kea_openapi.signature import Signature

from kea_sdk.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name under which versions are kept."""

    name: str
    """The id, for example `iris`."""
    display_name: str
    description: str
    aliases: Mapping[str, int]
    """Version number by alias."""
    latest_version: int
    """0 where there is none yet."""
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One immutable version of a model."""

    model: str
    number: int
    framework: str
    """`sklearn`, `onnx` or `python`."""
    entrypoint: str
    signature: Signature | None
    """None where the registry could not tell."""
    requirements: tuple[str, ...]
    description: str
    sha256: str
    """Of the archive."""
    size_bytes: int
    create_time: datetime | None
    creator: str

    def __str__(self) -> str:
        return f"{self.model}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One aspect of a state."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One model version, served by a number of replicas."""

    name: str
    """The id, for example `iris-v3`."""
    model: str
    version: int
    replicas: int
    """Wanted."""
    ready_replicas: int
    state: str
    """`CREATING`, `ACTIVE`, `FAILED` or `DELETING`."""
    reconciling: bool
    conditions: tuple[Condition, ...]
    create_time: datetime | None

    @property
    def problem(self) -> Condition | None:
        """Returns the first aspect that does not hold."""
        return next((condition for condition in self.conditions if condition.status == "FALSE"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployment and its share of an endpoint's requests."""

    deployment: str
    """The id."""
    weight: int
    """Basis points, 0 to 10000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A stable address under which deployments answer."""

    name: str
    """The id, for example `iris`."""
    targets: tuple[Target, ...]
    timeout_seconds: float
    """0 where it is the default, 60 s."""
    retry: str
    """Which requests that failed on the way go to another replica: `unsent`, or `unanswered` too."""
    limits: Limits
    """What it takes at most; those of its project hold too."""
    state: str
    """`ACTIVE` or `UNAVAILABLE`."""
    reconciling: bool
    """True while the gateway has not yet taken what is wanted."""
    conditions: tuple[Condition, ...]
    create_time: datetime | None
    url: str
    """Where callers reach it; a method's name is to be added."""
    docs_url: str
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionTarget:
    """A part of what an endpoint has served."""

    deployment: str
    """The id; it may be gone."""
    weight: int
    """Basis points, 0 to 10000."""
    model: str
    version: int
    pod_template: Mapping[str, Any]
    """What was asked of the cluster for each replica: `kea.deployer.v1.PodTemplate` by the names of its fields."""
    prebuilt_image: str
    """Pinned by digest; empty where the image was built, or there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What an endpoint has served."""

    number: int
    """From 1."""
    targets: tuple[RevisionTarget, ...]
    create_time: datetime | None
    """When it was first seen to serve."""

    def __str__(self) -> str:
        """Returns the versions, with shares where there are several."""
        whole = len(self.targets) == 1
        shares = ("" if whole else f" {part.weight / 100:g}%" for part in self.targets)
        parts = (f"{part.model}:{part.version}" for part in self.targets)
        return ", ".join(part + share for part, share in zip(parts, shares, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What a deploy or a rollback has done."""

    endpoint: Endpoint
    deployment: Deployment
    """Of several, that with the greatest share."""
    replaced: tuple[str, ...]
    """Ids of the deployments that served before and are being taken down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line a replica wrote."""

    time: datetime | None
    deployment: str
    replica: str
    """Empty for the deployer's own lines."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The making of a model version's container image."""

    name: str
    """The id, for example `b01a21f67211-1832df27`."""
    model: str
    version: int
    platforms: tuple[str, ...]
    """What the image is for, for example `linux/amd64`."""
    destination: str
    """Where the image goes, `HOST[:PORT]/PATH:TAG`."""
    image: str
    """The image, pinned by digest. Empty until it has SUCCEEDED."""
    base: str
    """What the image stands on, pinned by digest. Empty until it has SUCCEEDED."""
    state: str
    """`QUEUED`, `RUNNING`, `SUCCEEDED`, `FAILED` or `CANCELLED`."""
    step: str
    """What is under way, for people."""
    error_reason: str
    """Why it FAILED, for programs."""
    error_message: str
    """Why it FAILED, in the words of who refused."""
    bytes_pushed: int
    locks: Mapping[str, str]
    """What the requirements came to, by platform and Python; a list of builds leaves it out."""
    create_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None

    @property
    def ended(self) -> bool:
        """Returns whether it has."""
        return self.state in {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token that was made."""

    uid: str
    """Its id, to revoke it by."""
    access_token: str = field(repr=False)
    subject: str
    scopes: tuple[str, ...]
    """Ids of roles that it is limited to. Empty: it is not."""
    expire_time: datetime | None
