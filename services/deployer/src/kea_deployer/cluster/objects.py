"""The objects that a deployment is on a cluster. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kea_core.resource_name import parse_name

from kea_deployer.builds.contents import GRPC_PORT, HTTP_PORT, USER, command_of, spec_of
from kea_deployer.builds.target import Target
from kea_deployer.cluster.api import Object
from kea_deployer.cluster.names import labels_of, object_name
from kea_deployer.cluster.scaling import autoscaler_spec
from kea_deployer.cluster.settings import ClusterSettings
from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.pod_template import PodTemplate, Toleration, Variable
from kea_deployer.domain.quantity import read_quantity
from kea_deployer.settings import DeployerSettings

CONTAINER = "model"
KINDS = (
    "ServiceAccount",
    "ConfigMap",
    "Service",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Deployment",
    "HorizontalPodAutoscaler",
)
"""In the order in which they are made: what a pod needs comes before it."""
SPEC_DIRECTORY = "/etc/kea"
SPEC_FILE = "spec.json"
GRACE_SECONDS = 5
"""Between the end of a drain and SIGKILL."""
GATEWAY = {"app.kubernetes.io/name": "kea", "app.kubernetes.io/component": "gateway"}
"""Labels of the gateway's pods (deploy/chart)."""
SPEC_HASH = "kea.dev/spec"
"""Annotation of pods: with another spec they are made anew."""
NOBODY = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def objects_of(deployment: Deployment, replicas: int, settings: DeployerSettings, target: Target) -> list[Object]:
    """Returns all objects of a deployment whose image is there, in the order in which they are made.

    Args:
        deployment: what is wanted.
        replicas: how many there ought to be now.
        settings: what the platform asks for all.
        target: what the image is made for.
    """
    spec = json.dumps(_spec(deployment, settings), sort_keys=True)
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("v1", "ServiceAccount", {"automountServiceAccountToken": False}),
        ("v1", "ConfigMap", {"data": {SPEC_FILE: spec}}),
        ("v1", "Service", {"spec": _service(deployment)}),
    ]
    if settings.cluster.gateway_namespace:
        found.append(("networking.k8s.io/v1", "NetworkPolicy", {"spec": _network_policy(deployment, settings)}))
    budget = {"maxUnavailable": 1, "selector": _selector(deployment)}
    found.append(("policy/v1", "PodDisruptionBudget", {"spec": budget}))
    found.append(("apps/v1", "Deployment", {"spec": _workload(deployment, replicas, settings, target, spec)}))
    if deployment.autoscaling is not None and deployment.replica_count:
        scaler = {"spec": autoscaler_spec(deployment, deployment.autoscaling)}
        found.append(("autoscaling/v2", "HorizontalPodAutoscaler", scaler))
    metadata = {"name": object_name(deployment.name), "labels": labels_of(deployment.name)}
    return [{"apiVersion": version, "kind": kind, "metadata": metadata, **body} for version, kind, body in found]


def _spec(deployment: Deployment, settings: DeployerSettings) -> dict[str, Any]:
    return {
        **spec_of(deployment.model),
        "deployment": deployment.name,
        "max_body_bytes": settings.max_body_bytes,
        "drain_seconds": settings.drain_seconds,
    }


def _selector(deployment: Deployment) -> dict[str, Any]:
    return {"matchLabels": labels_of(deployment.name)}


def _service(deployment: Deployment) -> dict[str, Any]:
    ports = [
        {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
        for name, port in (("http", HTTP_PORT), ("grpc", GRPC_PORT))
    ]
    # Headless: Envoy balances over the pods itself; the Service is there for its EndpointSlices.
    return {"clusterIP": "None", "selector": labels_of(deployment.name), "ports": ports}


def _network_policy(deployment: Deployment, settings: DeployerSettings) -> dict[str, Any]:
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": settings.cluster.gateway_namespace}}
    peer = {"namespaceSelector": namespace, "podSelector": {"matchLabels": GATEWAY}}
    ports = [{"port": name, "protocol": "TCP"} for name in ("http", "grpc")]
    rules = [{"from": [peer], "ports": ports}]
    return {"podSelector": _selector(deployment), "policyTypes": ["Ingress"], "ingress": rules}


def _workload(
    deployment: Deployment, replicas: int, settings: DeployerSettings, target: Target, spec: str
) -> dict[str, Any]:
    labels, asked = labels_of(deployment.name), deployment.pod_template
    project, model, version = parse_name(deployment.model.name, "projects", "models", "versions")
    del project
    drain = settings.cluster.drain_delay_seconds + settings.drain_seconds + GRACE_SECONDS
    pod: dict[str, Any] = {
        "serviceAccountName": object_name(deployment.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": NOBODY,
        "terminationGracePeriodSeconds": round(drain),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "containers": [_container(deployment, settings, target)],
        "volumes": [
            {"name": "spec", "configMap": {"name": object_name(deployment.name)}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if asked.node_selector:
        pod["nodeSelector"] = dict(asked.node_selector)
    if asked.tolerations:
        pod["tolerations"] = [_toleration(toleration) for toleration in asked.tolerations]
    if settings.cluster.pull_secret:
        pod["imagePullSecrets"] = [{"name": settings.cluster.pull_secret}]
    template = {
        "metadata": {
            "labels": {**asked.labels, **labels, "kea.dev/model": model, "kea.dev/version": version},
            "annotations": {**asked.annotations, SPEC_HASH: hashlib.sha256(spec.encode()).hexdigest()[:16]},
        },
        "spec": pod,
    }
    return {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        # A pod that is to come is there before one that is to go has gone.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "revisionHistoryLimit": 2,
        "template": template,
    }


def _container(deployment: Deployment, settings: DeployerSettings, target: Target) -> dict[str, Any]:
    cluster = settings.cluster
    alive = {"path": "/healthz", "port": "http"}
    return {
        "name": CONTAINER,
        "image": deployment.status.image,
        "imagePullPolicy": "IfNotPresent",
        **({} if deployment.prebuilt_image else {"command": command_of(target, f"{SPEC_DIRECTORY}/{SPEC_FILE}")}),
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
        ],
        "env": [{"name": "HOME", "value": "/tmp"}, *map(_variable, deployment.pod_template.environment)],  # noqa: S108 - the container's own
        "resources": _resources(deployment.pod_template, cluster),
        "startupProbe": {
            "httpGet": alive,
            "periodSeconds": 1,
            "failureThreshold": max(round(settings.start_timeout_seconds), 1),
        },
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "http"},
            "periodSeconds": 2,
            "timeoutSeconds": max(round(settings.health_timeout_seconds), 1),
            "failureThreshold": 2,
        },
        "livenessProbe": {
            "httpGet": alive,
            "periodSeconds": 5,
            "timeoutSeconds": max(round(settings.health_timeout_seconds), 1),
            "failureThreshold": settings.health_failures,
        },
        # It leaves the EndpointSlice at once; Envoy must have heard of that before it stops taking requests.
        "lifecycle": {"preStop": {"sleep": {"seconds": cluster.drain_delay_seconds}}},
        # The last lines of its log, where it ended with an error: a traceback's last line says why.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": RESTRICTED,
        "volumeMounts": [
            {"name": "spec", "mountPath": SPEC_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def _resources(asked: PodTemplate, cluster: ClusterSettings) -> dict[str, dict[str, str]]:
    """Returns what is asked for, and for CPU and memory what the platform asks where the deployment does not."""
    limits = {key: value for key, value in (("cpu", cluster.cpu_limit), ("memory", cluster.memory_limit)) if value}
    limits = {**limits, **asked.resource_limits}
    requests = {"cpu": cluster.cpu_request, "memory": cluster.memory_request, **asked.resource_requests}
    for key, limit in limits.items():
        wanted, most = read_quantity(requests.get(key, limit)), read_quantity(limit)
        # The platform's own figure for the one must not contradict the deployment's for the other.
        if wanted is not None and most is not None and wanted > most:
            if key in asked.resource_requests:
                limits[key] = requests[key]
            else:
                requests[key] = limit
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _variable(variable: Variable) -> dict[str, Any]:
    if variable.secret is None:
        return {"name": variable.name, "value": variable.value}
    reference = {"name": variable.secret.name, "key": variable.secret.key}
    return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}


def _toleration(toleration: Toleration) -> dict[str, str]:
    found = {"operator": "Equal" if toleration.value else "Exists"}
    named = (("key", toleration.key), ("value", toleration.value), ("effect", toleration.effect))
    return {**found, **{key: value for key, value in named if value}}
