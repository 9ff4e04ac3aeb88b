"""Which of the things an endpoint has served it is taken back to, and how they are to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import endpoint_pb2, endpoint_revision_pb2

from kea_sdk.errors import NotFound


def chosen(
    history: Sequence[endpoint_revision_pb2.EndpointRevision],
    number: int | None,
    endpoint: endpoint_pb2.Endpoint,
    deployments: Mapping[str, deployment_pb2.Deployment],
) -> endpoint_revision_pb2.EndpointRevision:
    """Returns the revision to go back to.

    Args:
        history: newest first.
        number: of the revision; None: the one that served before what is wanted now.
        endpoint: as it is now.
        deployments: those that it leads to, by resource name.

    Raises:
        NotFound: there is none.
    """
    name = endpoint.name.rpartition("/")[2]
    if number is None:
        before = history[1:] if history and _is_wanted(history[0], endpoint, deployments) else history
        if before:
            return before[0]
        problem = f"endpoint {name!r} has served nothing else before"
        raise NotFound(problem, reason="REVISION_NOT_FOUND", metadata={"endpoint": name})
    for revision in history:
        if revision.number == number:
            return revision
    kept = ", ".join(str(revision.number) for revision in history) or "none"
    problem = f"endpoint {name!r} has no revision {number}; kept are: {kept}"
    raise NotFound(problem, reason="REVISION_NOT_FOUND", metadata={"endpoint": name, "revision": str(number)})


def again(
    part: endpoint_revision_pb2.RevisionTarget, now: deployment_pb2.Deployment | None
) -> deployment_pb2.Deployment:
    """Returns how a part of a revision is to run: as it ran, on as many replicas as what serves now.

    Args:
        part: of the revision.
        now: the deployment that most requests go to now; None where there is none.
    """
    wanted = deployment_pb2.Deployment(prebuilt_image=part.prebuilt_image, pod_template=part.pod_template)
    if now is not None and now.HasField("autoscaling"):
        wanted.autoscaling.CopyFrom(now.autoscaling)
        if not now.replica_count:
            wanted.replica_count = 0
    elif now is not None:
        wanted.replica_count = now.replica_count
    return wanted


def _is_wanted(
    revision: endpoint_revision_pb2.EndpointRevision,
    endpoint: endpoint_pb2.Endpoint,
    deployments: Mapping[str, deployment_pb2.Deployment],
) -> bool:
    """Returns whether a revision is what is wanted now, be it served yet or not."""
    wanted: list[tuple[str, int, Message]] = []
    for target in endpoint.targets:
        found = deployments.get(target.deployment)
        if target.weight:
            wanted.append((target.deployment, target.weight, found.pod_template if found else _NOTHING))
    kept = [(target.deployment, target.weight, target.pod_template) for target in revision.targets if target.weight]
    return sorted(kept, key=_name) == sorted(wanted, key=_name)


def _name(part: tuple[str, int, Message]) -> str:
    return part[0]


_NOTHING = deployment_pb2.Deployment()
