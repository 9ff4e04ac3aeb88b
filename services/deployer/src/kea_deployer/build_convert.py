"""Between builds and their protos."""

from __future__ import annotations

from kea.deployer.v1 import build_pb2
from kea_core.operations import Operation
from kea_core.status import to_status

from kea_deployer.convert import time_to_proto
from kea_deployer.domain.build import Build, BuildState
from kea_deployer.domain.build_errors import BuildCancelled, BuildFailed

STATES = {
    BuildState.QUEUED: build_pb2.Build.STATE_QUEUED,
    BuildState.RUNNING: build_pb2.Build.STATE_RUNNING,
    BuildState.SUCCEEDED: build_pb2.Build.STATE_SUCCEEDED,
    BuildState.FAILED: build_pb2.Build.STATE_FAILED,
    BuildState.CANCELLED: build_pb2.Build.STATE_CANCELLED,
}


def build_to_proto(build: Build) -> build_pb2.Build:
    """Returns a build as callers see it."""
    made = build_pb2.Build(
        name=build.name,
        model_version=build.model.name,
        platforms=build.platforms,
        destination=build.destination,
        state=STATES[build.state],
        step=build.step,
        create_time=time_to_proto(build.create_time),
        start_time=None if build.start_time is None else time_to_proto(build.start_time),
        end_time=None if build.end_time is None else time_to_proto(build.end_time),
    )
    if build.product is not None:
        made.image, made.base = build.product.image, build.product.base
        made.bytes_pushed = build.product.bytes_pushed
        made.locks.extend(
            build_pb2.BuildLock(target=target, requirements=lock)
            for target, lock in sorted(build.product.locks.items())
        )
    if build.failure is not None:
        made.error.reason, made.error.message = build.failure.reason, build.failure.message
    return made


def build_operation_to_proto(build: Build) -> Operation:
    """Returns a build's operation; its response is the build."""
    made = Operation(name=build.operation, done=build.ended)
    made.metadata.Pack(
        build_pb2.BuildOperationMetadata(
            build=build.name, step=build.step, create_time=time_to_proto(build.create_time)
        )
    )
    if build.state is BuildState.CANCELLED:
        made.error.CopyFrom(to_status(BuildCancelled(build.name)))
    elif build.failure is not None:
        made.error.CopyFrom(to_status(BuildFailed(build.name, build.failure.reason, build.failure.message)))
    elif build.ended:
        made.response.Pack(build_to_proto(build))
    return made


def build_check_to_proto(build: Build) -> Operation:
    """Returns what answers a request that only checks: an operation without a name, with what would be made."""
    made = Operation(done=True)
    made.response.Pack(build_to_proto(build))
    return made
