"""What things are called in KEA that custom resources call otherwise. Pure."""

from __future__ import annotations

import hashlib
import re

GROUP = "ml.kea-project.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MODEL_KIND = "MLModel"
DEPLOYMENT_KIND = "MLDeployment"
PROJECT_ANNOTATION = f"{GROUP}/project"
"""Of a namespace: the project its resources are in. Not of the resources, whose authors must not choose it."""
FINALIZER = f"{GROUP}/operator"

ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_MOST = 63
_HASH = 6


def resource_id(name: str) -> str:
    """Returns the id that stands for a name: `Fraud_Model.2` is `fraud-model-2`, what is an id already is itself.

    Names that ids have no letters for, and names that are too long, get a hash, so that they stay different.
    """
    if ID.fullmatch(name):
        return name
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not made or not made[0].isalpha():
        made = f"m-{made}".rstrip("-")
    if len(made) > _MOST or not name.isascii():
        digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
        made = f"{made[: _MOST - _HASH - 1].rstrip('-')}-{digest}"
    return made


def deployment_id(endpoint: str, version: int, attempt: int = 1) -> str:
    """Returns the id of an endpoint's deployment of a version, as `kea deploy` gives it."""
    suffix = f"-v{version}" if attempt == 1 else f"-v{version}-{attempt}"
    if len(endpoint) + len(suffix) <= _MOST:
        return endpoint + suffix
    digest = hashlib.sha256(endpoint.encode()).hexdigest()[:_HASH]
    return f"{endpoint[: _MOST - len(suffix) - _HASH - 1].rstrip('-')}-{digest}{suffix}"


def endpoint_url(gateway: str, project: str, endpoint: str) -> str:
    """Returns where an endpoint is called; without a gateway's address only the path."""
    prefix = "" if project == "default" else f"/projects/{project}"
    return f"{gateway.rstrip('/')}{prefix}/models/{endpoint}"
