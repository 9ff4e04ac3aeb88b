"""What the objects of a deployment are called, and how they are told from others'. Pure."""

from __future__ import annotations

import hashlib

from kea_core.resource_name import parse_name

MANAGER = "kea-deployer"
"""Field manager of all that is applied (Kubernetes, server-side apply)."""
MANAGED_BY = "app.kubernetes.io/managed-by"
PROJECT = "kea.dev/project"
DEPLOYMENT = "kea.dev/deployment"
SELECTOR = f"{MANAGED_BY}={MANAGER}"
MOST_OF_NAME = 40
"""Characters of a deployment's id in its objects' name, which leaves room for what Kubernetes adds for pods."""


def object_name(deployment: str) -> str:
    """Returns the name of a deployment's objects: its id, and a hash that keeps projects and long names apart."""
    _, identifier = parse_name(deployment, "projects", "deployments")
    digest = hashlib.sha256(deployment.encode()).hexdigest()[:8]
    return f"{identifier[:MOST_OF_NAME].rstrip('-')}-{digest}"


def labels_of(deployment: str) -> dict[str, str]:
    """Returns the labels of a deployment's objects."""
    project, identifier = parse_name(deployment, "projects", "deployments")
    return {MANAGED_BY: MANAGER, PROJECT: project, DEPLOYMENT: identifier}


def deployment_of(labels: dict[str, str]) -> str | None:
    """Returns the deployment that an object with these labels belongs to; None where it is none of KEA's."""
    if labels.get(MANAGED_BY) != MANAGER or PROJECT not in labels or DEPLOYMENT not in labels:
        return None
    return f"projects/{labels[PROJECT]}/deployments/{labels[DEPLOYMENT]}"
