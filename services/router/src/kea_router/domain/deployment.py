"""A deployment, as far as routing is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that answers."""

    id: str
    http_address: str
    grpc_address: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the router knows of a deployment."""

    name: str
    model_version: str
    """The version it serves, `projects/{project}/models/{model}/versions/{version}`."""
    replicas: tuple[Replica, ...]
    """Those that are ready, by id."""
    update_time: datetime
    """When what is wanted of it last changed."""
    pod_template: str = "{}"
    """What is asked of the cluster for each replica: a `kea.deployer.v1.PodTemplate` in JSON, fields in order."""
    prebuilt_image: str = ""
    """Pinned by digest; empty where the image is one that was built, or there is none."""

    @property
    def version(self) -> int:
        """Number of the model version."""
        return int(self.model_version.rpartition("/")[2])
