"""What an MLDeployment says. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import duration_pb2, json_format
from google.protobuf.message import Message
from kea.deployer.v1 import pod_template_pb2
from kea.router.v1 import endpoint_pb2, limits_pb2

from kea_deployer.operator.errors import Problem, spec_invalid
from kea_deployer.operator.names import ID, resource_id
from kea_deployer.operator.reasons import Reason

LATEST = "latest"
MOST_REPLICAS = 64
UNSENT = "Unsent"
RETRIES = {UNSENT: endpoint_pb2.Endpoint.RETRY_UNSENT, "Unanswered": endpoint_pb2.Endpoint.RETRY_UNANSWERED}
_VERSION = re.compile(rf"[1-9][0-9]{{0,17}}|{ID.pattern}")


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """Which model serves under which name, and how."""

    model_name: str
    """As the MLModel has it."""
    version: str
    """A number, an alias, or `latest`."""
    endpoint: str
    """Id of the endpoint."""
    replicas: int | None = None
    """Not given: one, or as autoscaling says."""
    pod_template: pod_template_pb2.PodTemplate = field(default_factory=pod_template_pb2.PodTemplate)
    autoscaling: pod_template_pb2.Autoscaling | None = None
    timeout: duration_pb2.Duration = field(default_factory=duration_pb2.Duration)
    retry: endpoint_pb2.Endpoint.Retry = endpoint_pb2.Endpoint.RETRY_UNSENT
    limits: limits_pb2.Limits = field(default_factory=limits_pb2.Limits)


def read_deployment_spec(name: str, spec: Mapping[str, Any]) -> DeploymentSpec:
    """Reads the spec of the resource of a name.

    Raises:
        Problem: it cannot be a deployment of KEA's.
    """
    model_name = str(spec.get("modelName") or "")
    version = str(spec.get("modelVersion") or LATEST)
    endpoint = str(spec.get("endpoint") or "")
    replicas = spec.get("replicas")
    if not model_name:
        raise spec_invalid(field="modelName", found=model_name, expected="the name of an MLModel")
    if not _VERSION.fullmatch(version):
        raise spec_invalid(field="modelVersion", found=version, expected="a number, an alias, or latest")
    if endpoint and not ID.fullmatch(endpoint):
        raise spec_invalid(
            field="endpoint", found=endpoint, expected="lower-case letters, digits and hyphens, at most 63"
        )
    if replicas is not None and not 0 <= int(replicas) <= MOST_REPLICAS:
        raise spec_invalid(field="replicas", found=replicas, expected=f"0 to {MOST_REPLICAS}")
    autoscaling = _autoscaling(spec.get("autoscaling"))
    if autoscaling is not None and replicas:
        raise spec_invalid(field="replicas", found=replicas, expected="nothing, or 0, beside autoscaling")
    return DeploymentSpec(
        model_name=model_name,
        version=version,
        endpoint=endpoint or resource_id(name),
        replicas=None if replicas is None else int(replicas),
        pod_template=_pod_template(spec),
        autoscaling=autoscaling,
        timeout=_timeout(spec.get("timeout")),
        retry=_retry(str(spec.get("retry") or UNSENT)),
        limits=_limits(spec.get("limits")),
    )


def _pod_template(spec: Mapping[str, Any]) -> pod_template_pb2.PodTemplate:
    template = pod_template_pb2.PodTemplate()
    _parse("podTemplate", spec.get("podTemplate") or {}, template)
    resources = spec.get("resources") or {}
    for given, wanted in (("requests", template.resource_requests), ("limits", template.resource_limits)):
        for resource, quantity in (resources.get(given) or {}).items():
            wanted[str(resource)] = str(quantity)  # Kubernetes takes `cpu: 1` for `cpu: "1"`
    return template


def _autoscaling(document: Any) -> pod_template_pb2.Autoscaling | None:
    if document is None:
        return None
    made = pod_template_pb2.Autoscaling()
    _parse("autoscaling", document, made)
    if not 1 <= made.min_replica_count <= made.max_replica_count <= MOST_REPLICAS:
        found = f"{made.min_replica_count} to {made.max_replica_count}"
        raise spec_invalid(
            field="autoscaling", found=found, expected=f"1 <= minReplicaCount <= maxReplicaCount <= {MOST_REPLICAS}"
        )
    return made


def _timeout(text: Any) -> duration_pb2.Duration:
    made = duration_pb2.Duration()
    if text:
        try:
            made.FromJsonString(str(text))
        except ValueError:
            raise spec_invalid(field="timeout", found=text, expected="seconds, such as 60s") from None
    return made


def _limits(document: Any) -> limits_pb2.Limits:
    made = limits_pb2.Limits()
    _parse("limits", document or {}, made)
    return made


def _retry(text: str) -> endpoint_pb2.Endpoint.Retry:
    if text not in RETRIES:
        raise spec_invalid(field="retry", found=text, expected=" or ".join(RETRIES))
    return RETRIES[text]


def _parse(where: str, document: Any, message: Message) -> None:
    try:
        json_format.ParseDict(document, message)
    except json_format.ParseError as error:
        problem = f"spec.{where}: {error}"
        raise Problem(Reason.SPEC_INVALID, problem) from error
