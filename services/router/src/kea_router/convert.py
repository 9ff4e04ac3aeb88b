"""Between the domain and the protos."""

from __future__ import annotations

from google.protobuf import duration_pb2, timestamp_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import endpoint_pb2

from kea_router.domain.deployment import Deployment, Replica
from kea_router.domain.endpoint import Endpoint, Target
from kea_router.domain.endpoint_status import Condition, EndpointState, EndpointStatus
from kea_router.domain.endpoints import Wanted

STATES = {
    EndpointState.UNAVAILABLE: endpoint_pb2.Endpoint.STATE_UNAVAILABLE,
    EndpointState.ACTIVE: endpoint_pb2.Endpoint.STATE_ACTIVE,
}


def endpoint_to_proto(endpoint: Endpoint, status: EndpointStatus) -> endpoint_pb2.Endpoint:
    """Returns an endpoint and how it is doing as callers see it."""
    message = endpoint_pb2.Endpoint(
        name=endpoint.name,
        targets=[endpoint_pb2.Target(deployment=t.deployment, weight=t.weight) for t in endpoint.targets],
        allowed_roles=endpoint.allowed_roles,
        state=STATES[status.state],
        reconciling=status.reconciling,
        conditions=[_condition(condition) for condition in status.conditions],
        etag=endpoint.etag,
    )
    message.create_time.FromDatetime(endpoint.create_time)
    message.update_time.FromDatetime(endpoint.update_time)
    if endpoint.timeout_seconds:
        message.timeout.FromNanoseconds(round(endpoint.timeout_seconds * 1e9))
    return message


def wanted_from_proto(message: endpoint_pb2.Endpoint) -> Wanted:
    """Returns what a caller wants of an endpoint."""
    return Wanted(
        targets=tuple(Target(target.deployment, target.weight) for target in message.targets),
        allowed_roles=tuple(sorted(set(message.allowed_roles))),
        timeout_seconds=_seconds(message.timeout),
    )


def deployment_from_proto(message: deployment_pb2.Deployment) -> Deployment:
    """Returns what routing needs of a deployment."""
    ready = (replica for replica in message.replicas if replica.state == deployment_pb2.Replica.STATE_READY)
    replicas = (Replica(replica.id, replica.http_address, replica.grpc_address) for replica in ready)
    return Deployment(
        name=message.name,
        version=int(message.model_version.rpartition("/")[2]),
        replicas=tuple(sorted(replicas, key=lambda replica: replica.id)),
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
        type=condition.type, status=status, reason=condition.reason, message=condition.message
    )
