"""Makes MLDeployments what they say: observes, decides, acts, tells."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kea.deployer.v1 import deployment_pb2

from kea_deployer.cluster.api import Object
from kea_deployer.cluster.errors import KubernetesError
from kea_deployer.operator.cluster_resources import ClusterResources
from kea_deployer.operator.conditions import READY, Condition, fails, problem_of, ready, unknown
from kea_deployer.operator.decide_deployment import decide, decide_deletion
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
from kea_deployer.operator.deployment_spec import DeploymentSpec, read_deployment_spec
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.loop import Again
from kea_deployer.operator.names import endpoint_url
from kea_deployer.operator.platform.calls import Away, Refused
from kea_deployer.operator.platform.deployments import Deployments
from kea_deployer.operator.platform.endpoints import Endpoints
from kea_deployer.operator.platform.mirror import Mirror
from kea_deployer.operator.platform.models import Models
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.resource import Key, Resource

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""Longest pause between two tries of what can pass by itself."""
STALE_SECONDS = 5.0
"""Longest pause before another look at what was not as it had been seen."""
ASPECTS = (MODEL_READY, DEPLOYMENT_READY, ENDPOINT_READY)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a resource's things are in KEA."""

    project: str
    endpoint: str

    @property
    def endpoint_name(self) -> str:
        """The endpoint's resource name."""
        return f"projects/{self.project}/endpoints/{self.endpoint}"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What KEA has refused to do."""

    aspect: str
    """The condition that tells of it."""
    problem: Refused


class DeploymentController:
    """Looks at one MLDeployment at a time.

    Args:
        find: returns the resource as it is known.
        learn: takes note of a resource as it was just written.
        model_of: returns the MLModel that a name stands for in a namespace.
        cluster: statuses and finalizers.
        models: the registry.
        deployments: the deployer.
        endpoints: the router.
        mirror: which deployments and endpoints there are.
        gateway_url: for addresses.
        resync_seconds: time until another look where nothing happens.
    """

    def __init__(
        self,
        *,
        find: Callable[[Key], Resource | None],
        learn: Callable[[Object], None],
        model_of: Callable[[str, str], Resource | None],
        cluster: ClusterResources,
        models: Models,
        deployments: Deployments,
        endpoints: Endpoints,
        mirror: Mirror,
        gateway_url: str,
        resync_seconds: float,
    ) -> None:
        self._find = find
        self._learn = learn
        self._model_of = model_of
        self._cluster = cluster
        self._models = models
        self._deployments = deployments
        self._endpoints = endpoints
        self._mirror = mirror
        self._gateway_url = gateway_url
        self._resync_seconds = resync_seconds
        self._taken: dict[Key, set[str]] = {}
        """Names of deployments that turned out to be others'."""

    async def look(self, key: Key) -> Again | None:
        """Looks at a resource, and brings KEA nearer to it."""
        resource = self._find(key)
        if resource is None:
            self._taken.pop(key, None)
            return None
        try:
            if resource.deleting:
                return await self._take_down(resource) if resource.held else None
            if not resource.held:
                self._learn(await self._cluster.hold(resource))
                resource = self._find(key) or resource
            return await self._bring_up(resource)
        except Problem as problem:
            return await self._tell_problem(resource, problem)
        except KubernetesError as error:
            log.info("cluster not written", extra={"resource": str(key), "problem": str(error)})
            return Again(RETRY_SECONDS, failed=True)

    async def _bring_up(self, resource: Resource) -> Again:
        spec = read_deployment_spec(resource.key.name, resource.spec)
        place = _Place(await self._cluster.project_of(resource.key.namespace), spec.endpoint)
        version = await self._version(resource, place, spec)
        observed = await self._observe(resource, place)
        plan = decide(resource.managed_by, place.project, spec, version, observed)
        problem = version if isinstance(version, Problem) else None
        refusal = await self._act(resource, plan.actions)
        if refusal is not None:
            if refusal.problem.stale:
                return Again(STALE_SECONDS, failed=True)
            plan, problem = _told(plan, refusal), refusal.problem
        await self._tell(resource, plan, place)
        if problem is not None and problem.passing:
            return Again(RETRY_SECONDS, failed=True)
        return Again(self._resync_seconds) if plan.again_seconds is None else Again(plan.again_seconds, failed=True)

    async def _take_down(self, resource: Resource) -> Again | None:
        observed = await self._observe(resource, None)
        plan = decide_deletion(resource.managed_by, observed)
        if plan.gone:
            await self._cluster.release(resource)
            return None
        refusal = await self._act(resource, plan.actions)
        await self._tell(resource, plan if refusal is None else _told(plan, refusal), None)
        return Again(STALE_SECONDS if refusal is None else RETRY_SECONDS, failed=True)

    async def _version(self, resource: Resource, place: _Place, spec: DeploymentSpec) -> Version | Problem:
        """Returns the version that is to serve, or why it is not known."""
        namespace, name = resource.key.namespace, spec.model_name
        model = self._model_of(namespace, name)
        if model is None:
            problem = (
                f"there is no MLModel {name} in namespace {namespace}; expected one of that name or spec.modelName"
            )
            return Problem(Reason.MODEL_MISSING, problem, passing=True)
        made = str(model.status.get("model") or "")
        if not made:
            told = next((entry for entry in model.status.get("conditions") or () if entry.get("type") == READY), {})
            problem = f"MLModel {model.key.name}: {told.get('message') or 'it is not ready yet'}"
            return Problem(Reason.MODEL_NOT_READY, problem, passing=True)
        if not made.startswith(f"projects/{place.project}/models/"):
            problem = f"MLModel {model.key.name} is {made}, and the namespace is of project {place.project}"
            return Problem(Reason.PROJECT_CHANGED, problem, passing=True)
        try:
            found = await self._models.find_version(f"{made}/versions/{spec.version}")
        except Problem as problem:
            return problem
        if found is None:
            problem = f"{made} has no version {spec.version}"
            return Problem(Reason.MODEL_NOT_READY, problem, passing=True)
        return Version(found.name, found.number, found.create_time)

    async def _observe(self, resource: Resource, place: _Place | None) -> Observed:
        """Returns what there is, asked for now: what the watches tell may be old."""
        if not self._mirror.synced:
            problem = "the deployer and the router have not told yet what there is"
            raise Away(problem)
        owner = resource.managed_by
        own = await self._deployments_of(owner)
        names = self._mirror.endpoints_of(owner)
        wanted = None
        if place is not None:
            wanted = await self._endpoints.find(place.endpoint_name)
            names -= {place.endpoint_name}
        strays: list[str] = []
        for name in sorted(names):
            stray = await self._endpoints.find(name)
            if stray is None:
                self._mirror.forget_endpoint(name)
            elif stray.managed_by == owner:
                strays.append(name)
        return Observed(
            endpoint=wanted,
            strays=tuple(strays),
            deployments=tuple(own),
            others=frozenset(self._mirror.targeted_by_others(owner)),
            taken=frozenset(self._taken.get(resource.key, ())),
        )

    async def _deployments_of(self, owner: str) -> list[deployment_pb2.Deployment]:
        found: list[deployment_pb2.Deployment] = []
        for name in sorted(self._mirror.deployments_of(owner)):
            deployment = await self._deployments.find(name)
            if deployment is None:
                self._mirror.forget_deployment(name)
            elif deployment.managed_by == owner:
                found.append(deployment)
        return found

    async def _act(self, resource: Resource, actions: Iterable[DeploymentAction | EndpointAction]) -> _Refusal | None:
        """Does what is to be done, up to what is refused, which it returns."""
        for action in actions:
            try:
                await self._do(resource, action)
            except Refused as problem:
                endpoint = isinstance(action, CreateEndpoint | UpdateEndpoint | DeleteEndpoint)
                return _Refusal(ENDPOINT_READY if endpoint else DEPLOYMENT_READY, problem)
        return None

    async def _do(self, resource: Resource, action: DeploymentAction | EndpointAction) -> None:
        match action:
            case CreateDeployment(name, message):
                await self._create(resource, name, message)
            case UpdateDeployment(message, paths):
                await self._deployments.update(message, paths)
            case DeleteDeployment(name):
                await self._deployments.delete(name)
            case CreateEndpoint(name, message):
                self._mirror.learn_endpoint(name, resource.managed_by)
                await self._endpoints.create(name, message)
            case UpdateEndpoint(message, paths):
                await self._endpoints.update(message, paths)
            case DeleteEndpoint(name):
                await self._endpoints.delete(name)

    async def _create(self, resource: Resource, name: str, message: deployment_pb2.Deployment) -> None:
        """Makes a deployment; where its name is another's, the next look takes another."""
        self._mirror.learn_deployment(name, resource.managed_by)  # before: the answer may be lost, and it be there
        try:
            await self._deployments.create(name, message)
        except Refused as refused:
            if refused.reason == "DEPLOYMENT_EXISTS":
                there = await self._deployments.find(name)
                if there is not None and there.managed_by != resource.managed_by:
                    self._mirror.forget_deployment(name)
                    self._taken.setdefault(resource.key, set()).add(name)
            raise

    async def _tell(self, resource: Resource, plan: Plan, place: _Place | None) -> None:
        conditions = [ready(plan.conditions, Reason.SERVING), *plan.conditions]
        status = {
            "state": plan.state,
            "version": plan.version or None,
            "deployment": plan.deployment or None,
            "endpoint": None,
            "url": None,
            "replicas": plan.replicas,
            "readyReplicas": plan.ready_replicas,
        }
        if place is not None and plan.state != "Conflict":
            status["endpoint"] = place.endpoint_name
            status["url"] = endpoint_url(self._gateway_url, place.project, place.endpoint)
        await self._write(resource, conditions, status)

    async def _tell_problem(self, resource: Resource, problem: Problem) -> Again:
        """Tells why nothing could be looked at; all else stays as it was told."""
        kept = {name: value for name, value in resource.status.items() if name != "conditions"}
        if isinstance(problem, Away):
            conditions = unknown(resource.status.get("conditions") or (), ASPECTS, problem)
        else:
            aspects = [problem_of(aspect, problem) for aspect in ASPECTS]
            conditions = [ready(aspects, Reason.SERVING), *aspects]
            kept["state"] = "Deleting" if resource.deleting else "Failed"
        try:
            await self._write(resource, conditions, kept)
        except KubernetesError as error:
            log.info("status not written", extra={"resource": str(resource.key), "problem": str(error)})
            return Again(RETRY_SECONDS, failed=True)
        return Again(RETRY_SECONDS, failed=True) if problem.passing else Again(self._resync_seconds)

    async def _write(self, resource: Resource, conditions: Sequence[Condition], status: Mapping[str, Any]) -> None:
        known = self._find(resource.key) or resource
        made = await self._cluster.tell(replace(resource, status=known.status), conditions, status)
        if made is not None:
            self._learn(made)


def _told(plan: Plan, refusal: _Refusal) -> Plan:
    """Returns a plan that tells of what KEA has refused."""
    problem = fails(refusal.aspect, refusal.problem.reason, str(refusal.problem))
    conditions = tuple(problem if entry.type == refusal.aspect else entry for entry in plan.conditions)
    return replace(plan, conditions=conditions, state="Failed", again_seconds=None)
