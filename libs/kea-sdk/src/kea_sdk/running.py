"""How a deployment shall run: what `kea deploy` and `Client.deploy` are told, as the API wants it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from kea.deployer.v1 import deployment_pb2, pod_template_pb2

from kea_sdk.errors import InvalidArgument

GPU = "nvidia.com/gpu"
M = TypeVar("M", bound=Message)


def running(
    replicas: int | None,
    pod_template: Mapping[str, Any] | None,
    autoscaling: Mapping[str, Any] | None,
    image: str | None = None,
) -> deployment_pb2.Deployment:
    """Returns what is wanted of a deployment; what is None is left as it is.

    Args:
        replicas: how many. With autoscaling None, or 0 for none at all.
        pod_template: `kea.deployer.v1.PodTemplate`, by the names of its fields.
        autoscaling: `kea.deployer.v1.Autoscaling`, by the names of its fields.
        image: one that somebody else has made.

    Raises:
        InvalidArgument: a name is no field's, or a value is of another type.
    """
    wanted = deployment_pb2.Deployment(replica_count=replicas, prebuilt_image=image or "")
    if pod_template is not None:
        wanted.pod_template.CopyFrom(_parsed(pod_template, pod_template_pb2.PodTemplate(), "pod template"))
    if autoscaling is not None:
        wanted.autoscaling.CopyFrom(_parsed(autoscaling, pod_template_pb2.Autoscaling(), "autoscaling"))
    return wanted


def differing(found: deployment_pb2.Deployment, wanted: deployment_pb2.Deployment) -> list[str]:
    """Returns the fields that are wanted otherwise than they are found."""
    names = [name for name in ("replica_count", "pod_template", "autoscaling") if wanted.HasField(name)]
    return [name for name in names if getattr(found, name) != getattr(wanted, name)]


def pod_template_of(
    given: Mapping[str, Any],
    *,
    cpu: str | None,
    memory: str | None,
    gpus: int | None,
    environment: Iterable[str],
    secrets: Iterable[str],
) -> dict[str, Any] | None:
    """Returns a pod template, with what options say in it; None where nothing is said.

    Args:
        given: the template of a file, as JSON.
        cpu: what each replica is sure to get, as Kubernetes writes it.
        memory: the same; a replica gets no more of it either, since memory cannot be taken back.
        gpus: how many of NVIDIA's.
        environment: `NAME=VALUE` each.
        secrets: `NAME=SECRET/KEY` each.

    Raises:
        InvalidArgument: an option is not of its form.
    """
    template = dict(given)
    requests = {"cpu": cpu, "memory": memory}
    limits = {"memory": memory, GPU: None if gpus is None else str(gpus)}
    for name, resources in (("resource_requests", requests), ("resource_limits", limits)):
        if said := {key: value for key, value in resources.items() if value is not None}:
            template[name] = {**template.get(name, {}), **said}
    variables = [*map(_variable, environment), *map(_secret_variable, secrets)]
    if variables:
        names = {variable["name"] for variable in variables}
        kept = [variable for variable in template.get("environment", ()) if variable.get("name") not in names]
        template["environment"] = [*kept, *variables]
    return template or None


def _variable(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        problem = f"--env is {text!r}; expected NAME=VALUE"
        raise InvalidArgument(problem)
    return {"name": name, "value": value}


def _secret_variable(text: str) -> dict[str, Any]:
    name, equals, source = text.partition("=")
    secret, slash, key = source.partition("/")
    if not equals or not slash:
        problem = f"--env-secret is {text!r}; expected NAME=SECRET/KEY"
        raise InvalidArgument(problem)
    return {"name": name, "secret": {"name": secret, "key": key}}


def _parsed(given: Mapping[str, Any], message: M, what: str) -> M:
    try:
        return json_format.ParseDict(dict(given), message)
    except json_format.ParseError as error:
        problem = f"{what}: {error}"
        raise InvalidArgument(problem) from error
