"""Between the domain and the protos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from google.protobuf import empty_pb2, timestamp_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, pod_template_pb2
from kea.registry.v1 import model_version_pb2
from kea_core.operations import Operation as OperationMessage
from kea_core.status import to_status
from kea_openapi.convert import from_proto as signature_from_proto
from kea_openapi.signature import to_json as signature_to_json

from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.deployment import Condition, Deployment, ModelVersion, Replica, ReplicaState, State
from kea_deployer.domain.errors import DeploymentFailed
from kea_deployer.domain.log_line import LogLine
from kea_deployer.domain.operation import Operation, Verb
from kea_deployer.domain.pod_template import PodTemplate, SecretKey, Toleration, Variable
from kea_deployer.domain.wanted import Wanted

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
        pod_template=_pod_template_to_proto(deployment.pod_template),
        autoscaling=None if deployment.autoscaling is None else _autoscaling_to_proto(deployment.autoscaling),
        managed_by=deployment.managed_by,
        prebuilt_image=deployment.prebuilt_image,
    )


def wanted_from_proto(message: deployment_pb2.Deployment) -> Wanted:
    """Returns what a caller says about how a deployment runs."""
    return Wanted(
        replica_count=message.replica_count if message.HasField("replica_count") else None,
        pod_template=_pod_template(message.pod_template) if message.HasField("pod_template") else None,
        autoscaling=_autoscaling(message.autoscaling) if message.HasField("autoscaling") else None,
    )


def _pod_template(message: pod_template_pb2.PodTemplate) -> PodTemplate:
    return PodTemplate(
        resource_requests=dict(message.resource_requests),
        resource_limits=dict(message.resource_limits),
        node_selector=dict(message.node_selector),
        tolerations=tuple(Toleration(entry.key, entry.value, entry.effect) for entry in message.tolerations),
        environment=tuple(map(_variable, message.environment)),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )


def _variable(message: pod_template_pb2.EnvironmentVariable) -> Variable:
    secret = SecretKey(message.secret.name, message.secret.key) if message.HasField("secret") else None
    return Variable(message.name, message.value, secret)


def _pod_template_to_proto(template: PodTemplate) -> pod_template_pb2.PodTemplate | None:
    if template == PodTemplate():
        return None
    variables: list[pod_template_pb2.EnvironmentVariable] = []
    for variable in template.environment:
        made = pod_template_pb2.EnvironmentVariable(name=variable.name)
        if variable.secret is None:
            made.value = variable.value
        else:
            made.secret.name, made.secret.key = variable.secret.name, variable.secret.key
        variables.append(made)
    return pod_template_pb2.PodTemplate(
        resource_requests=template.resource_requests,
        resource_limits=template.resource_limits,
        node_selector=template.node_selector,
        tolerations=[
            pod_template_pb2.Toleration(key=entry.key, value=entry.value, effect=entry.effect)
            for entry in template.tolerations
        ],
        environment=variables,
        labels=template.labels,
        annotations=template.annotations,
    )


def _autoscaling(message: pod_template_pb2.Autoscaling) -> Autoscaling:
    return Autoscaling(
        min_replica_count=message.min_replica_count,
        max_replica_count=message.max_replica_count,
        target_cpu_percent=message.target_cpu_percent,
        target_requests_per_second=message.target_requests_per_second,
    )


def _autoscaling_to_proto(autoscaling: Autoscaling) -> pod_template_pb2.Autoscaling:
    return pod_template_pb2.Autoscaling(
        min_replica_count=autoscaling.min_replica_count,
        max_replica_count=autoscaling.max_replica_count,
        target_cpu_percent=autoscaling.target_cpu_percent,
        target_requests_per_second=autoscaling.target_requests_per_second,
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
