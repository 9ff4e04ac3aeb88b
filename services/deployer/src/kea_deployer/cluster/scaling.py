"""How many replicas there ought to be at a moment. Pure."""

from __future__ import annotations

from typing import Any

from kea_core.resource_name import parse_name

from kea_deployer.cluster.names import object_name
from kea_deployer.cluster.observation import Observation
from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.deployment import Deployment

REQUESTS_METRIC = "kea_requests_per_second"
"""Of all replicas together, as the gateways count them; where an adapter serves it (deploy/monitoring)."""
REQUESTS_PROJECT, REQUESTS_DEPLOYMENT = "kea_project", "kea_deployment"
"""Labels of the metric, which is asked for in the namespace of the replicas."""


def wanted_replicas(deployment: Deployment, observation: Observation) -> int:
    """Returns the number that is wanted: with autoscaling what the autoscaler has last set, within its bounds.

    The number is always applied, and never left out: server-side apply would take a field that its only owner drops
    back to its default, one replica, in the moment in which autoscaling begins.
    """
    scaling = deployment.autoscaling
    if scaling is None or deployment.replica_count == 0:
        return deployment.replica_count
    found = observation.objects.get("Deployment") or {}
    now = (found.get("spec") or {}).get("replicas", 0)
    return min(max(now, scaling.min_replica_count), scaling.max_replica_count)


def autoscaler_spec(deployment: Deployment, scaling: Autoscaling) -> dict[str, Any]:
    """Returns the spec of the HorizontalPodAutoscaler."""
    metrics: list[dict[str, Any]] = []
    if scaling.target_cpu_percent:
        target = {"type": "Utilization", "averageUtilization": scaling.target_cpu_percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if scaling.target_requests_per_second:
        target = {"type": "AverageValue", "averageValue": str(scaling.target_requests_per_second)}
        metrics.append({"type": "External", "external": {"metric": _requests_of(deployment.name), "target": target}})
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name(deployment.name)},
        "minReplicas": scaling.min_replica_count,
        "maxReplicas": scaling.max_replica_count,
        "metrics": metrics,
    }


def _requests_of(deployment: str) -> dict[str, Any]:
    """Returns the metric of one deployment; the ids in its name are values that labels may have."""
    project, identifier = parse_name(deployment, "projects", "deployments")
    labels = {REQUESTS_PROJECT: project, REQUESTS_DEPLOYMENT: identifier}
    return {"name": REQUESTS_METRIC, "selector": {"matchLabels": labels}}
