"""From what an MLDeployment says and what there is, to what to do. Pure.

Make before break (ADR 0005), level-triggered: each look compares the whole, whatever happened before, so it does not
matter who stopped where. A version comes up beside what serves; the endpoint moves to it once it serves; what it
replaces goes once all gateways send their requests to the new one. Where that one fails before then, the endpoint
moves back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from google.protobuf import timestamp_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2
from kea.router.v1 import endpoint_pb2

from kea_deployer.operator.conditions import Condition, fails, holds, problem_of
from kea_deployer.operator.deployment_plan import (
    DEPLOYMENT_READY,
    ENDPOINT_READY,
    MODEL_READY,
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    DeleteEndpoint,
    DeploymentAction,
    EndpointAction,
    Observed,
    Plan,
    UpdateDeployment,
    UpdateEndpoint,
    Version,
)
from kea_deployer.operator.deployment_spec import DeploymentSpec
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.names import deployment_id
from kea_deployer.operator.reasons import Reason

WHOLE = 10_000
LOOK_SECONDS = 5.0
"""Longest pause between two looks at whether gateways have taken an endpoint, which no watch tells."""
CONFLICT_SECONDS = 30.0
"""Longest pause between two looks at whether a name has become free."""
Deployment = deployment_pb2.Deployment
State = deployment_pb2.Deployment.State


def decide(resource: str, project: str, spec: DeploymentSpec, version: Version | Problem, observed: Observed) -> Plan:
    """Returns what to do, and how the resource is doing.

    Args:
        resource: `{namespace}/{name}`, which manages what is made.
        project: of the namespace.
        spec: what is wanted.
        version: that is to serve, or why that is not known; what serves then goes on.
        observed: what there is.
    """
    endpoint = observed.endpoint
    if endpoint is not None and endpoint.managed_by != resource:
        return _conflict(endpoint)
    if isinstance(version, Problem):
        return _without_version(version, observed)
    chosen = _chosen(version, observed)
    actions: list[DeploymentAction | EndpointAction] = []
    if chosen is None:
        actions.append(_new(resource, project, spec, version, observed))
    else:
        actions += _changed(chosen, spec)
    actions += _endpoint_actions(resource, project, spec, chosen, observed)
    actions += _retirements(chosen, observed)
    return _told(spec, version, chosen, observed, actions)


def decide_deletion(resource: str, observed: Observed) -> Plan:
    """Returns what to take down: the names first, so that nobody is sent to what is going."""
    own = observed.endpoint
    names = [*observed.strays, *([own.name] if own is not None and own.managed_by == resource else [])]
    waiting = tuple(
        fails(aspect, Reason.DELETING, "what it made is taken down")
        for aspect in (MODEL_READY, DEPLOYMENT_READY, ENDPOINT_READY)
    )
    if names:
        return Plan(waiting, tuple(DeleteEndpoint(name) for name in names), "Deleting")
    going = tuple(DeleteDeployment(entry.name) for entry in observed.deployments if entry.state != State.STATE_DELETING)
    return Plan(waiting, going, "Deleting", gone=not observed.deployments)


def _conflict(endpoint: endpoint_pb2.Endpoint) -> Plan:
    owner = f"the custom resource {endpoint.managed_by}" if endpoint.managed_by else "no custom resource"
    problem = f"{endpoint.name} is managed by {owner}; expected a free name: rename this resource, or set spec.endpoint"
    waits = fails(DEPLOYMENT_READY, Reason.CONFLICT, "nothing is deployed while the endpoint is another's")
    told = (waits, fails(ENDPOINT_READY, Reason.CONFLICT, problem))
    return Plan(told, state="Conflict", again_seconds=CONFLICT_SECONDS)


def _without_version(problem: Problem, observed: Observed) -> Plan:
    """Leaves everything as it is, and tells of it."""
    serving = next((entry for entry in observed.deployments if entry.name in _targets(observed)), None)
    state = "Serving" if serving is not None and _serves(serving) else "Waiting"
    return Plan(
        (
            problem_of(MODEL_READY, problem),
            fails(DEPLOYMENT_READY, problem.reason, "it is not known which version to deploy"),
            fails(ENDPOINT_READY, problem.reason, "it is not known which version to send requests to"),
        ),
        state=state,
        deployment="" if serving is None else serving.name,
        version=0 if serving is None else int(serving.model_version.rpartition("/")[2]),
        replicas=0 if serving is None else len(serving.replicas),
        ready_replicas=0 if serving is None else _ready_replicas(serving),
    )


def _chosen(version: Version, observed: Observed) -> Deployment | None:
    """Returns the deployment to go on with: of this very version, and not of one that had its number before it."""
    usable = [
        entry
        for entry in observed.deployments
        if entry.model_version == version.name
        and _time(entry.create_time) >= _time(version.create_time)
        and entry.state != State.STATE_DELETING
    ]
    targets = _targets(observed)
    usable.sort(key=lambda entry: (not _serves(entry), entry.name not in targets, entry.name))
    return usable[0] if usable else None


def _new(resource: str, project: str, spec: DeploymentSpec, version: Version, observed: Observed) -> CreateDeployment:
    taken = observed.taken | {entry.name for entry in observed.deployments}
    names = (
        f"projects/{project}/deployments/{deployment_id(spec.endpoint, version.number, attempt)}"
        for attempt in count(1)
    )
    message = Deployment(model_version=version.name, autoscaling=spec.autoscaling, managed_by=resource)
    if spec.pod_template.ByteSize():
        message.pod_template.CopyFrom(spec.pod_template)
    if spec.autoscaling is None or spec.replicas == 0:
        message.replica_count = _count(spec)
    return CreateDeployment(next(name for name in names if name not in taken), message)


def _changed(chosen: Deployment, spec: DeploymentSpec) -> list[DeploymentAction]:
    paths: list[str] = []
    if chosen.replica_count != _count(spec):
        paths.append("replica_count")
    if chosen.pod_template != spec.pod_template:
        paths.append("pod_template")
    if chosen.HasField("autoscaling") != (spec.autoscaling is not None) or (
        spec.autoscaling is not None and chosen.autoscaling != spec.autoscaling
    ):
        paths.append("autoscaling")
        paths = ["replica_count", *(path for path in paths if path != "replica_count")]
    if not paths:
        return []
    message = Deployment(
        name=chosen.name,
        etag=chosen.etag,
        replica_count=_count(spec),
        pod_template=spec.pod_template,
        autoscaling=spec.autoscaling,
    )
    return [UpdateDeployment(message, tuple(paths))]


def _endpoint_actions(
    resource: str, project: str, spec: DeploymentSpec, chosen: Deployment | None, observed: Observed
) -> list[EndpointAction]:
    now = observed.endpoint
    name = f"projects/{project}/endpoints/{spec.endpoint}"
    target = _aim(chosen, observed)
    limits = spec.limits if spec.limits.ByteSize() else None
    if now is None:
        if target is None:
            return []
        message = endpoint_pb2.Endpoint(
            targets=[endpoint_pb2.Target(deployment=target, weight=WHOLE)],
            retry=spec.retry,
            managed_by=resource,
            limits=limits,
        )
        if spec.timeout.ByteSize():
            message.timeout.CopyFrom(spec.timeout)
        return [CreateEndpoint(name, message)]
    paths: list[str] = []
    message = endpoint_pb2.Endpoint(name=name, etag=now.etag, timeout=spec.timeout, retry=spec.retry, limits=limits)
    if target is not None and _targets(observed) != {target}:
        message.targets.add(deployment=target, weight=WHOLE)
        paths.append("targets")
    if now.timeout != spec.timeout:
        paths.append("timeout")
    if (now.retry or endpoint_pb2.Endpoint.RETRY_UNSENT) != spec.retry:  # an older router says nothing of it
        paths.append("retry")
    if now.limits != spec.limits:
        paths.append("limits")
    return [UpdateEndpoint(message, tuple(paths))] if paths else []


def _aim(chosen: Deployment | None, observed: Observed) -> str | None:
    """Returns the deployment requests go to: the chosen one where it serves, else one that does; None: no change."""
    if chosen is not None and _is_up(chosen):
        return chosen.name
    targets = _targets(observed)
    if any(entry.name in targets and _serves(entry) for entry in observed.deployments):
        return None
    if chosen is None or chosen.state != State.STATE_FAILED:
        return None
    others = [entry for entry in observed.deployments if entry.name != chosen.name and _serves(entry)]
    newest = max(others, key=lambda entry: _time(entry.create_time), default=None)
    return None if newest is None else newest.name


def _retirements(chosen: Deployment | None, observed: Observed) -> list[DeploymentAction | EndpointAction]:
    """Returns what is not needed any more: the old once the new has taken over, and what never served at once."""
    over = chosen is not None and _is_published(chosen, observed)
    targets = _targets(observed) | observed.others
    going: list[DeploymentAction | EndpointAction] = []
    if over:
        going += [DeleteEndpoint(name) for name in observed.strays]
    for entry in observed.deployments:
        if entry == chosen or entry.state == State.STATE_DELETING or entry.name in targets:
            continue
        if over or (chosen is not None and not _serves(entry)):
            going.append(DeleteDeployment(entry.name))
    return going


def _told(
    spec: DeploymentSpec,
    version: Version,
    chosen: Deployment | None,
    observed: Observed,
    actions: Sequence[DeploymentAction | EndpointAction],
) -> Plan:
    deployment, published = _deployment_condition(chosen), chosen is not None and _is_published(chosen, observed)
    return Plan(
        conditions=(
            holds(MODEL_READY, Reason.MODEL_READY, version.name),
            deployment,
            _endpoint_condition(observed, deployment, published=published),
        ),
        actions=tuple(actions),
        state=_state(spec, chosen, observed, published=published),
        deployment="" if chosen is None else chosen.name,
        version=version.number,
        replicas=0 if chosen is None else len(chosen.replicas),
        ready_replicas=0 if chosen is None else _ready_replicas(chosen),
        again_seconds=None if published or chosen is None or not _is_up(chosen) else LOOK_SECONDS,
    )


def _deployment_condition(chosen: Deployment | None) -> Condition:
    if chosen is None:
        return fails(DEPLOYMENT_READY, Reason.DEPLOYMENT_COMING, "it is being made")
    if chosen.state == State.STATE_IDLE and not chosen.replica_count:
        return holds(DEPLOYMENT_READY, Reason.DEPLOYMENT_IDLE, f"{chosen.name}: no replica is wanted")
    told = [entry for entry in chosen.conditions if entry.status != condition_pb2.Condition.STATUS_TRUE]
    message = next((entry.message for entry in told if entry.message), "")
    if chosen.state == State.STATE_ACTIVE:
        return holds(DEPLOYMENT_READY, Reason.DEPLOYMENT_SERVING, message)
    wrong = next((entry for entry in told if entry.status == condition_pb2.Condition.STATUS_FALSE), None)
    if wrong is not None:
        return fails(DEPLOYMENT_READY, wrong.reason or Reason.DEPLOYMENT_COMING, f"{chosen.name}: {wrong.message}")
    return fails(DEPLOYMENT_READY, Reason.DEPLOYMENT_COMING, f"{chosen.name}: {message or 'it is coming up'}")


def _endpoint_condition(observed: Observed, deployment: Condition, *, published: bool) -> Condition:
    if published:
        return holds(ENDPOINT_READY, Reason.ENDPOINT_PUBLISHED)
    if not deployment.holds:
        what = "requests go where they did" if observed.endpoint is not None else "it is made"
        return fails(ENDPOINT_READY, Reason.ENDPOINT_PENDING, f"{what} until the deployment serves")
    told = () if observed.endpoint is None else observed.endpoint.conditions
    message = next((entry.message for entry in told if entry.message), "gateways are being told of it")
    return fails(ENDPOINT_READY, Reason.ENDPOINT_PENDING, message)


def _state(spec: DeploymentSpec, chosen: Deployment | None, observed: Observed, *, published: bool) -> str:
    if published:
        return "Idle" if spec.replicas == 0 else "Serving"
    targets = _targets(observed)
    serving = any(entry.name in targets and _serves(entry) for entry in observed.deployments)
    if chosen is not None and chosen.state == State.STATE_FAILED:
        return "Degraded" if serving else "Failed"
    return "RollingOut" if serving else "Starting"


def _is_up(entry: Deployment) -> bool:
    """Returns whether requests may go there; without replicas by wish, nothing better can be waited for."""
    return entry.state == State.STATE_ACTIVE or (entry.state == State.STATE_IDLE and not entry.replica_count)


def _serves(entry: Deployment) -> bool:
    return entry.state == State.STATE_ACTIVE


def _is_published(chosen: Deployment, observed: Observed) -> bool:
    """Returns whether all requests go to a deployment, and all gateways know."""
    endpoint = observed.endpoint
    if endpoint is None or endpoint.reconciling or _targets(observed) != {chosen.name} or not _is_up(chosen):
        return False
    return endpoint.state == endpoint_pb2.Endpoint.STATE_ACTIVE or chosen.state == State.STATE_IDLE


def _targets(observed: Observed) -> set[str]:
    targets: Iterable[endpoint_pb2.Target] = () if observed.endpoint is None else observed.endpoint.targets
    return {target.deployment for target in targets}


def _count(spec: DeploymentSpec) -> int:
    if spec.autoscaling is not None and spec.replicas != 0:
        return spec.autoscaling.min_replica_count
    return 1 if spec.replicas is None else spec.replicas


def _ready_replicas(entry: Deployment) -> int:
    return sum(replica.state == deployment_pb2.Replica.STATE_READY for replica in entry.replicas)


def _time(stamp: timestamp_pb2.Timestamp) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos
