"""Between the domain and the protos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from google.protobuf import empty_pb2, timestamp_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2
from kea.registry.v1 import model_version_pb2
from kea_core.operations import Operation as OperationMessage
from kea_core.status import to_status
from kea_openapi.convert import from_proto as signature_from_proto
from kea_openapi.signature import to_json as signature_to_json

from kea_deployer.domain.deployment import Condition, Deployment, ModelVersion, Replica, ReplicaState, State
from kea_deployer.domain.errors import DeploymentFailed
from kea_deployer.domain.log_line import LogLine
from kea_deployer.domain.operation import Operation, Verb

BATCH_BYTES = 1024 * 1024
"""Size at which a message of a log stream is sent; messages must stay below 8 MiB."""
BATCH_ENTRIES = 500
"""Most lines in one."""
STATES = {
    State.CREATING: deployment_pb2.Deployment.STATE_CREATING,
    State.ACTIVE: deployment_pb2.Deployment.STATE_ACTIVE,
    State.FAILED: deployment_pb2.Deployment.STATE_FAILED,
    State.DELETING: deployment_pb2.Deployment.STATE_DELETING,
    State.IDLE: deployment_pb2.Deployment.STATE_IDLE,
}
REPLICA_STATES = {
    ReplicaState.STARTING: deployment_pb2.Replica.STATE_STARTING,
    ReplicaState.READY: deployment_pb2.Replica.STATE_READY,
    ReplicaState.BACKING_OFF: deployment_pb2.Replica.STATE_BACKING_OFF,
    ReplicaState.DRAINING: deployment_pb2.Replica.STATE_DRAINING,
    ReplicaState.FAILED: deployment_pb2.Replica.STATE_FAILED,
}
HOLDS = {
    True: condition_pb2.Condition.STATUS_TRUE,
    False: condition_pb2.Condition.STATUS_FALSE,
    None: condition_pb2.Condition.STATUS_UNKNOWN,
}
FRAMEWORKS = {
    model_version_pb2.FRAMEWORK_SKLEARN: "sklearn",
    model_version_pb2.FRAMEWORK_ONNX: "onnx",
    model_version_pb2.FRAMEWORK_PYTHON: "python",
}


def deployment_to_proto(deployment: Deployment) -> deployment_pb2.Deployment:
    """Returns a deployment as callers see it."""
    status = deployment.status
    return deployment_pb2.Deployment(
        name=deployment.name,
        model_version=deployment.model.name,
        replica_count=deployment.replica_count,
        state=STATES[status.state],
        reconciling=status.reconciling,
        conditions=[_condition(condition) for condition in status.conditions],
        replicas=[_replica(replica) for replica in status.replicas],
        create_time=time_to_proto(deployment.create_time),
        update_time=time_to_proto(deployment.update_time),
        etag=deployment.etag,
        image=status.image,
    )


def model_from_proto(message: model_version_pb2.ModelVersion) -> ModelVersion:
    """Returns what serving needs of a model version.

    Raises:
        KeyError: this deployer does not know the framework.
        SignatureError: the registry's signature cannot be used.
    """
    return ModelVersion(
        name=message.name,
        framework=FRAMEWORKS[message.framework],
        entrypoint=message.entrypoint,
        signature=signature_to_json(signature_from_proto(message.signature)),
        requirements=tuple(message.requirements),
        sha256=message.sha256,
    )


def operation_to_proto(operation: Operation, deployment: Deployment | None) -> OperationMessage:
    """Returns an operation; its response is the deployment as it is now."""
    made = OperationMessage(name=operation.name, done=operation.done)
    made.metadata.Pack(
        deployment_pb2.DeploymentOperationMetadata(
            deployment=operation.deployment,
            verb=operation.verb.value,
            step="" if deployment is None or operation.done else deployment.status.step,
            create_time=time_to_proto(operation.create_time),
        )
    )
    if operation.error_reason:
        error = DeploymentFailed(operation.deployment, operation.error_reason, operation.error_message)
        made.error.CopyFrom(to_status(error))
    elif operation.done and operation.verb is Verb.DELETE:
        made.response.Pack(empty_pb2.Empty())
    elif operation.done:
        gone = deployment_pb2.Deployment(name=operation.deployment)
        made.response.Pack(gone if deployment is None else deployment_to_proto(deployment))
    return made


def lines_to_proto(lines: Sequence[LogLine]) -> Iterator[deployment_service_pb2.StreamDeploymentLogsResponse]:
    """Yields log lines as messages of a stream, none of them larger than a message may be."""
    response, size = deployment_service_pb2.StreamDeploymentLogsResponse(), 0
    for line in lines:
        entry = deployment_pb2.LogEntry(time=time_to_proto(line.time), replica=line.replica, text=line.text)
        size += entry.ByteSize()
        if response.entries and (size > BATCH_BYTES or len(response.entries) == BATCH_ENTRIES):
            yield response
            response, size = deployment_service_pb2.StreamDeploymentLogsResponse(), entry.ByteSize()
        response.entries.append(entry)
    if response.entries:
        yield response


def time_to_proto(time: datetime) -> timestamp_pb2.Timestamp:
    """Returns a moment as a message."""
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(time)
    return message


def _condition(condition: Condition) -> condition_pb2.Condition:
    return condition_pb2.Condition(
        type=condition.type,
        status=HOLDS[condition.holds],
        reason=condition.reason,
        message=condition.message,
        transition_time=time_to_proto(condition.transition_time),
    )


def _replica(replica: Replica) -> deployment_pb2.Replica:
    return deployment_pb2.Replica(
        id=replica.id,
        state=REPLICA_STATES[replica.state],
        http_address=replica.http_address,
        grpc_address=replica.grpc_address,
        pid=replica.pid,
        restart_count=replica.restart_count,
        start_time=None if replica.start_time is None else time_to_proto(replica.start_time),
        restart_time=None if replica.restart_time is None else time_to_proto(replica.restart_time),
    )
