"""Between the domain and the protos."""

from __future__ import annotations

import re
from datetime import UTC

from google.protobuf import duration_pb2, json_format, timestamp_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import endpoint_pb2, endpoint_revision_pb2
from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_core.validation import name_expression, resource_pattern

from kea_router.domain.deployment import Deployment, Replica
from kea_router.domain.endpoint import Endpoint, Retry, Target
from kea_router.domain.endpoint_status import Condition, EndpointState, EndpointStatus
from kea_router.domain.endpoints import Wanted
from kea_router.domain.revision import EndpointRevision, Served
from kea_router.limits_convert import limits_from_proto, limits_to_proto
from kea_router.translate.clusters import address_of

STATES = {
    EndpointState.UNAVAILABLE: endpoint_pb2.Endpoint.STATE_UNAVAILABLE,
    EndpointState.ACTIVE: endpoint_pb2.Endpoint.STATE_ACTIVE,
}
RETRIES = {
    Retry.UNSENT: endpoint_pb2.Endpoint.RETRY_UNSENT,
    Retry.UNANSWERED: endpoint_pb2.Endpoint.RETRY_UNANSWERED,
}
WANTED_RETRIES = {number: retry for retry, number in RETRIES.items()}


MAX_MESSAGE = 4096
"""Longest message of a condition, in characters."""


class DeploymentUnreadable(Exception):
    """A deployment that does not say what routing needs of it."""


def endpoint_name(name: str, field: str) -> str:
    """Returns a name that is an endpoint's; validation lets fields through that identify a message.

    Raises:
        FieldOutOfBounds: it is not.
    """
    pattern = resource_pattern("kea.dev/Endpoint")
    if not re.fullmatch(name_expression(pattern), name):
        raise FieldOutOfBounds([FieldViolation(field, f"is {name[:100]!r}; expected {pattern}")])
    return name


def endpoint_to_proto(endpoint: Endpoint, status: EndpointStatus) -> endpoint_pb2.Endpoint:
    """Returns an endpoint and how it is doing as callers see it."""
    message = endpoint_pb2.Endpoint(
        name=endpoint.name,
        targets=[endpoint_pb2.Target(deployment=t.deployment, weight=t.weight) for t in endpoint.targets],
        state=STATES[status.state],
        reconciling=status.reconciling,
        conditions=[_condition(condition) for condition in status.conditions],
        etag=endpoint.etag,
        managed_by=endpoint.managed_by,
        retry=RETRIES[endpoint.retry],
        limits=limits_to_proto(endpoint.limits),
    )
    message.create_time.FromDatetime(endpoint.create_time)
    message.update_time.FromDatetime(endpoint.update_time)
    if endpoint.timeout_seconds:
        message.timeout.FromNanoseconds(round(endpoint.timeout_seconds * 1e9))
    return message


def wanted_from_proto(message: endpoint_pb2.Endpoint) -> Wanted:
    """Returns what a caller wants of an endpoint.

    Raises:
        LimitInvalid: a limit's period is not one of whole seconds.
    """
    return Wanted(
        targets=tuple(Target(target.deployment, target.weight) for target in message.targets),
        timeout_seconds=_seconds(message.timeout),
        retry=WANTED_RETRIES.get(message.retry),
        limits=limits_from_proto(message.limits, "endpoint.limits"),
    )


def revision_to_proto(revision: EndpointRevision) -> endpoint_revision_pb2.EndpointRevision:
    """Returns a revision as callers see it."""
    message = endpoint_revision_pb2.EndpointRevision(
        name=revision.name, number=revision.number, targets=[_served_to_proto(part) for part in revision.targets]
    )
    message.create_time.FromDatetime(revision.create_time)
    return message


def _served_to_proto(part: Served) -> endpoint_revision_pb2.RevisionTarget:
    message = endpoint_revision_pb2.RevisionTarget(
        deployment=part.deployment,
        weight=part.weight,
        model_version=part.model_version,
        prebuilt_image=part.prebuilt_image,
    )
    # Fields that a later KEA wrote and this one does not know are no reason to show nothing.
    json_format.Parse(part.pod_template, message.pod_template, ignore_unknown_fields=True)
    return message


def deployment_from_proto(message: deployment_pb2.Deployment) -> Deployment:
    """Returns what routing needs of a deployment.

    Raises:
        DeploymentUnreadable: its version is not a number, or an address is none.
    """
    _, _, version = message.model_version.rpartition("/")
    if not version.isascii() or not version.isdecimal():
        problem = f"{message.name} is of version {version[:100]!r}; expected a number"
        raise DeploymentUnreadable(problem)
    ready = (replica for replica in message.replicas if replica.state == deployment_pb2.Replica.STATE_READY)
    replicas = [Replica(replica.id, replica.http_address, replica.grpc_address) for replica in ready]
    for address in (address for r in replicas for address in (r.http_address, r.grpc_address) if address):
        try:
            address_of(address)
        except ValueError as error:
            problem = f"{message.name} has a replica at {address[:100]!r}; expected unix:PATH or HOST:PORT"
            raise DeploymentUnreadable(problem) from error
    replicas.sort(key=lambda replica: replica.id)
    return Deployment(
        name=message.name,
        model_version=message.model_version,
        replicas=tuple(replicas),
        update_time=message.update_time.ToDatetime(tzinfo=UTC),
        pod_template=json_format.MessageToJson(message.pod_template, indent=None, sort_keys=True),
        prebuilt_image=message.image if message.prebuilt_image else "",
    )


def timestamp(seconds: float) -> timestamp_pb2.Timestamp:
    """Returns a moment given in seconds since 1970."""
    made = timestamp_pb2.Timestamp()
    made.FromNanoseconds(round(seconds * 1e9))
    return made


def _seconds(duration: duration_pb2.Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _condition(condition: Condition) -> condition_pb2.Condition:
    status = condition_pb2.Condition.STATUS_TRUE if condition.holds else condition_pb2.Condition.STATUS_FALSE
    return condition_pb2.Condition(
        type=condition.type, status=status, reason=condition.reason, message=condition.message[:MAX_MESSAGE]
    )
