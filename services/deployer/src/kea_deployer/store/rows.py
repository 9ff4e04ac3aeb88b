"""Between the domain and the tables' rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.clock import as_utc
from kea_core.resource_name import parse_name

from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.deployment import Condition, Deployment, ModelVersion, Replica, ReplicaState, State, Status
from kea_deployer.domain.operation import Operation, Verb
from kea_deployer.domain.pod_template import PodTemplate, SecretKey, Toleration, Variable


def of_deployment(deployment: Deployment) -> dict[str, Any]:
    """Returns a deployment's row; its replicas have rows of their own."""
    model, status = deployment.model, deployment.status
    return {
        "name": deployment.name,
        "project": parse_name(deployment.name, "projects", "deployments")[0],
        "model": {
            "name": model.name,
            "framework": model.framework,
            "entrypoint": model.entrypoint,
            "signature": dict(model.signature),
            "requirements": list(model.requirements),
        },
        "sha256": model.sha256,
        "replica_count": deployment.replica_count,
        "wanted_revision": deployment.wanted_revision,
        "state": status.state.value,
        "reconciling": status.reconciling,
        "step": status.step,
        "conditions": [_of_condition(condition) for condition in status.conditions],
        "image": status.image,
        "pod_template": asdict(deployment.pod_template),
        "autoscaling": None if deployment.autoscaling is None else asdict(deployment.autoscaling),
        "managed_by": deployment.managed_by,
        "prebuilt_image": deployment.prebuilt_image,
        "create_time": deployment.create_time,
        "update_time": deployment.update_time,
    }


def deployment(row: sa.Row[Any], replicas: Iterable[sa.Row[Any]]) -> Deployment:
    """Returns the deployment of a row and its replicas' rows."""
    return Deployment(
        name=row.name,
        model=ModelVersion(
            name=row.model["name"],
            framework=row.model["framework"],
            entrypoint=row.model["entrypoint"],
            signature=row.model["signature"],
            requirements=tuple(row.model["requirements"]),
            sha256=row.sha256,
        ),
        replica_count=row.replica_count,
        wanted_revision=row.wanted_revision,
        status=Status(
            state=State(row.state),
            reconciling=row.reconciling,
            step=row.step,
            conditions=tuple(_condition(entry) for entry in row.conditions),
            replicas=tuple(_replica(entry) for entry in replicas),
            image=row.image,
        ),
        create_time=as_utc(row.create_time),
        update_time=as_utc(row.update_time),
        pod_template=_pod_template(row.pod_template),
        autoscaling=None if row.autoscaling is None else Autoscaling(**row.autoscaling),
        managed_by=row.managed_by,
        prebuilt_image=row.prebuilt_image,
    )


def _pod_template(entry: dict[str, Any]) -> PodTemplate:
    plain = {key: value for key, value in entry.items() if key not in ("environment", "tolerations")}
    return PodTemplate(
        **plain,
        tolerations=tuple(Toleration(**toleration) for toleration in entry.get("tolerations", ())),
        environment=tuple(_variable(variable) for variable in entry.get("environment", ())),
    )


def _variable(entry: dict[str, Any]) -> Variable:
    secret = entry["secret"]
    return Variable(entry["name"], entry["value"], None if secret is None else SecretKey(**secret))


def of_replica(deployment: str, replica: Replica) -> dict[str, Any]:
    """Returns a replica's row."""
    return {
        "id": replica.id,
        "deployment": deployment,
        "number": replica.number,
        "state": replica.state.value,
        "http_address": replica.http_address,
        "grpc_address": replica.grpc_address,
        "pid": replica.pid,
        "process_time": replica.process_time,
        "restart_count": replica.restart_count,
        "start_time": replica.start_time,
        "restart_time": replica.restart_time,
    }


def of_operation(operation: Operation) -> dict[str, Any]:
    """Returns an operation's row."""
    return {
        "name": operation.name,
        "project": parse_name(operation.name, "projects", "operations")[0],
        "deployment": operation.deployment,
        "verb": operation.verb.value,
        "done": operation.done,
        "error_reason": operation.error_reason,
        "error_message": operation.error_message,
        "create_time": operation.create_time,
        "end_time": operation.end_time,
    }


def operation(row: sa.Row[Any]) -> Operation:
    """Returns the operation of a row."""
    return Operation(
        name=row.name,
        deployment=row.deployment,
        verb=Verb(row.verb),
        done=row.done,
        error_reason=row.error_reason,
        error_message=row.error_message,
        create_time=as_utc(row.create_time),
        end_time=_moment(row.end_time),
    )


def _replica(row: sa.Row[Any]) -> Replica:
    return Replica(
        id=row.id,
        number=row.number,
        state=ReplicaState(row.state),
        http_address=row.http_address,
        grpc_address=row.grpc_address,
        pid=row.pid,
        process_time=row.process_time,
        restart_count=row.restart_count,
        start_time=_moment(row.start_time),
        restart_time=_moment(row.restart_time),
    )


def _of_condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "holds": condition.holds,
        "reason": condition.reason,
        "message": condition.message,
        "transition_time": condition.transition_time.isoformat(),
    }


def _condition(entry: dict[str, Any]) -> Condition:
    time = datetime.fromisoformat(entry["transition_time"])
    return Condition(entry["type"], entry["holds"], entry["reason"], entry["message"], time)


def _moment(time: datetime | None) -> datetime | None:
    return None if time is None else as_utc(time)
