"""Messages of the API as the client's own values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format, timestamp_pb2
from kea.auth.v1 import token_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import build_pb2, deployment_pb2
from kea.registry.v1 import model_pb2, model_version_pb2
from kea.router.v1 import endpoint_pb2, endpoint_revision_pb2
from kea_openapi import convert as signatures
from kea_openapi.signature import SignatureError

from kea_sdk import limits_convert
from kea_sdk.resources import (
    Build,
    Condition,
    Deployment,
    Endpoint,
    LogLine,
    Model,
    ModelVersion,
    Revision,
    RevisionTarget,
    Target,
    Token,
)

DEFAULT_PROJECT = "default"


def last(name: str) -> str:
    """Returns the id at the end of a resource name."""
    return name.rpartition("/")[2]


def model(message: model_pb2.Model) -> Model:
    """Returns a model."""
    return Model(
        name=last(message.name),
        display_name=message.display_name,
        description=message.description,
        aliases=dict(sorted(message.aliases.items())),
        latest_version=message.latest_version,
        create_time=time_of(message.create_time),
        update_time=time_of(message.update_time),
    )


def model_version(message: model_version_pb2.ModelVersion) -> ModelVersion:
    """Returns a model version."""
    signature = None
    if message.HasField("signature"):
        try:
            signature = signatures.from_proto(message.signature)
        except SignatureError:  # a newer KEA's; everything else can still be shown
            signature = None
    return ModelVersion(
        model=message.name.split("/")[3],
        number=message.number,
        framework=_name(model_version_pb2.Framework, message.framework, "FRAMEWORK_").lower(),
        entrypoint=message.entrypoint,
        signature=signature,
        requirements=tuple(message.requirements),
        description=message.description,
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        create_time=time_of(message.create_time),
        creator=message.creator,
    )


def deployment(message: deployment_pb2.Deployment) -> Deployment:
    """Returns a deployment."""
    parts = message.model_version.split("/")
    ready = sum(replica.state == deployment_pb2.Replica.STATE_READY for replica in message.replicas)
    return Deployment(
        name=last(message.name),
        model=parts[3],
        version=int(parts[5]),
        replicas=message.replica_count,
        ready_replicas=ready,
        state=_name(deployment_pb2.Deployment.State, message.state, "STATE_"),
        reconciling=message.reconciling,
        conditions=_conditions(message.conditions),
        create_time=time_of(message.create_time),
    )


def build(message: build_pb2.Build) -> Build:
    """Returns a build."""
    parts = message.model_version.split("/")
    return Build(
        name=last(message.name),
        model=parts[3],
        version=int(parts[5]),
        platforms=tuple(message.platforms),
        destination=message.destination,
        image=message.image,
        base=message.base,
        state=_name(build_pb2.Build.State, message.state, "STATE_"),
        step=message.step,
        error_reason=message.error.reason,
        error_message=message.error.message,
        bytes_pushed=message.bytes_pushed,
        locks={lock.target: lock.requirements for lock in message.locks},
        create_time=time_of(message.create_time),
        start_time=time_of(message.start_time),
        end_time=time_of(message.end_time),
    )


def endpoint(message: endpoint_pb2.Endpoint, url: str) -> Endpoint:
    """Returns an endpoint as callers of the gateway at `url` see it."""
    name = last(message.name)
    address = endpoint_url(url, message.name.split("/")[1], name)
    timeout = message.timeout.seconds + message.timeout.nanos / 1e9
    return Endpoint(
        name=name,
        targets=tuple(Target(deployment=last(entry.deployment), weight=entry.weight) for entry in message.targets),
        timeout_seconds=timeout,
        # An older router says nothing of it, and does so.
        retry=_name(endpoint_pb2.Endpoint.Retry, message.retry or endpoint_pb2.Endpoint.RETRY_UNSENT, "RETRY_").lower(),
        limits=limits_convert.limits(message.limits),
        state=_name(endpoint_pb2.Endpoint.State, message.state, "STATE_"),
        reconciling=message.reconciling,
        conditions=_conditions(message.conditions),
        create_time=time_of(message.create_time),
        url=address,
        docs_url=f"{address}/docs",
        etag=message.etag,
    )


def revision(message: endpoint_revision_pb2.EndpointRevision) -> Revision:
    """Returns a revision of an endpoint."""
    targets = tuple(_revision_target(entry) for entry in message.targets)
    return Revision(number=message.number, targets=targets, create_time=time_of(message.create_time))


def _revision_target(message: endpoint_revision_pb2.RevisionTarget) -> RevisionTarget:
    parts = message.model_version.split("/")
    return RevisionTarget(
        deployment=last(message.deployment),
        weight=message.weight,
        model=parts[3],
        version=int(parts[5]),
        pod_template=json_format.MessageToDict(message.pod_template, preserving_proto_field_name=True),
        prebuilt_image=message.prebuilt_image,
    )


def endpoint_url(url: str, project: str, name: str) -> str:
    """Returns the public address of an endpoint."""
    prefix = "" if project == DEFAULT_PROJECT else f"/projects/{project}"
    return f"{url}{prefix}/models/{name}"


def log_line(message: deployment_pb2.LogEntry, deployment_id: str) -> LogLine:
    """Returns a line of a deployment's log."""
    return LogLine(time=time_of(message.time), deployment=deployment_id, replica=message.replica, text=message.text)


def token(message: token_pb2.Token) -> Token:
    """Returns a token."""
    return Token(
        uid=message.uid,
        access_token=message.access_token,
        subject=message.subject,
        scopes=tuple(message.scopes),
        expire_time=time_of(message.expire_time),
    )


def time_of(message: timestamp_pb2.Timestamp) -> datetime | None:
    """Returns a time, or None where it is not set."""
    if not message.seconds and not message.nanos:
        return None
    return message.ToDatetime(tzinfo=UTC)


def _name(kind: Any, value: int, prefix: str) -> str:
    """Returns the name of an enum's value, or its number where it is a newer KEA's."""
    known: dict[int, str] = {number: name for name, number in kind.items()}
    return known.get(value, str(value)).removeprefix(prefix)


def _conditions(messages: Iterable[condition_pb2.Condition]) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            type=entry.type,
            status=_name(condition_pb2.Condition.Status, entry.status, "STATUS_"),
            reason=entry.reason,
            message=entry.message,
        )
        for entry in messages
    )
