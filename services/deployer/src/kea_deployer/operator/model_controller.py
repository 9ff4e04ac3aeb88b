"""Makes MLModels what they say: observes, decides, acts, tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kea.registry.v1 import model_pb2

from kea_deployer.cluster.api import Object
from kea_deployer.cluster.errors import KubernetesError
from kea_deployer.operator.cluster_resources import ClusterResources
from kea_deployer.operator.conditions import Condition, fails, holds, problem_of, ready, unknown
from kea_deployer.operator.decide_model import Known, check_owner, is_current, is_described
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.loop import Again
from kea_deployer.operator.model_spec import ModelSpec, read_model_spec
from kea_deployer.operator.names import resource_id
from kea_deployer.operator.platform.calls import Away
from kea_deployer.operator.platform.models import Models
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.resource import Key, Resource
from kea_deployer.operator.sources.artifact_sources import ArtifactSources
from kea_deployer.operator.uploads import Uploads

FETCHED, VERSION_READY = "Fetched", "VersionReady"
RETRY_SECONDS = 300.0
"""Longest pause between two tries of what can pass by itself."""
WAIT_SECONDS = 30.0
"""Between two looks at what something else wakes as a rule."""


@dataclass(slots=True)
class _Report:
    """What is told at the end, whatever that is."""

    status: dict[str, Any]
    fetched: Condition
    version: Condition
    problem: Problem | None = None
    notes: list[str] = field(default_factory=list[str])

    @property
    def ready(self) -> Condition:
        """`Ready`: a version of what the spec says is in the registry, even where its source is away just now."""
        aspects = [self.version] if self.version.holds else [self.fetched, self.version]
        return ready(aspects, Reason.VERSION_READY)


class ModelController:
    """Looks at one MLModel at a time.

    Args:
        find: returns the resource as it is known.
        learn: takes note of a resource as it was just written.
        users: returns the MLDeployments that refer to a resource.
        cluster: statuses and finalizers.
        models: the registry.
        sources: where artifacts come from.
        uploads: makes versions.
        check_seconds: time between two looks at a source.
    """

    def __init__(
        self,
        *,
        find: Callable[[Key], Resource | None],
        learn: Callable[[Object], None],
        users: Callable[[Resource], list[Resource]],
        cluster: ClusterResources,
        models: Models,
        sources: ArtifactSources,
        uploads: Uploads,
        check_seconds: float,
    ) -> None:
        self._find = find
        self._learn = learn
        self._users = users
        self._cluster = cluster
        self._models = models
        self._sources = sources
        self._uploads = uploads
        self._check_seconds = check_seconds
        self._hopeless: dict[Key, tuple[str, Problem]] = {}
        """What cannot become a version, by its digest, and why: it is not fetched again and again."""

    async def look(self, key: Key) -> Again | None:
        """Looks at a resource, and brings KEA nearer to it."""
        resource = self._find(key)
        if resource is None:
            self._hopeless.pop(key, None)
            return None
        if resource.deleting:
            return await self._take_down(resource)
        if not resource.held:
            try:
                self._learn(await self._cluster.hold(resource))
            except KubernetesError:  # it has changed, most likely
                return Again(WAIT_SECONDS, failed=True)
            resource = self._find(key) or resource
        report = _report(resource)
        try:
            await self._bring_up(resource, report)
        except Problem as problem:
            report.problem = problem
        except KubernetesError as error:
            report.problem = Away(f"Kubernetes: {error}")
        return await self._tell(resource, report)

    async def _bring_up(self, resource: Resource, report: _Report) -> None:
        project = await self._cluster.project_of(resource.key.namespace)
        spec = read_model_spec(resource.spec)
        name = f"projects/{project}/models/{spec.model_id}"
        _check_project(resource, project)
        model = await self._models.find(name)
        check_owner(resource.managed_by, model)
        if model is None:
            wanted = model_pb2.Model(
                display_name=spec.display_name, description=spec.description, managed_by=resource.managed_by
            )
            model = await self._models.create(name, wanted)
        elif not is_described(spec, model):
            wanted = model_pb2.Model(
                name=name, display_name=spec.display_name, description=spec.description, etag=model.etag
            )
            model = await self._models.describe(wanted)
        report.status["model"] = name
        if model.latest_version:
            report.status["version"] = model.latest_version
        await self._bring_version(resource, spec, model, report)

    async def _bring_version(
        self, resource: Resource, spec: ModelSpec, model: model_pb2.Model, report: _Report
    ) -> None:
        known = Known(str(resource.status.get("digest") or ""), int(resource.status.get("version") or 0))
        without_stamp = spec.digest("")
        said = resource.status.get("specDigest") == without_stamp and known.version == model.latest_version != 0
        if said:  # what was uploaded is still what the spec says, unless the source has something new
            report.version = holds(VERSION_READY, Reason.VERSION_READY, f"{model.name}/versions/{known.version}")
        digest = spec.digest(await self._sources.stamp(resource.key.namespace, spec))
        if is_current(known, digest, model):
            report.fetched = holds(FETCHED, Reason.FETCHED)
            return
        tried = self._hopeless.get(resource.key)
        if tried is not None and tried[0] == digest:
            raise tried[1].with_traceback(None)  # else it would grow with each look
        report.fetched = fails(FETCHED, Reason.FETCHING, f"fetching {spec.address}")
        await self._tell(resource, report)
        try:
            made = await self._uploads.upload(resource, spec, model, digest)
        except Problem as problem:
            if not problem.passing:
                self._hopeless[resource.key] = (digest, problem)
            raise
        report.fetched = holds(FETCHED, Reason.FETCHED)
        report.version = holds(VERSION_READY, Reason.VERSION_READY, made.version.name)
        report.status |= {
            "version": made.version.number,
            "digest": digest,
            "specDigest": without_stamp,
            "sha256": made.version.sha256,
            "incomplete": [*made.version.signature.incomplete, *made.notes] or None,
        }

    async def _take_down(self, resource: Resource) -> Again | None:
        if not resource.held:
            return None
        report = _report(resource)
        try:
            users = self._users(resource)
            if users:
                names = ", ".join(sorted(user.key.name for user in users)[:10])
                problem = f"MLDeployments refer to it: {names}; it is deleted once they are"
                raise Problem(Reason.MODEL_IN_USE, problem, passing=True)  # noqa: TRY301 - told like all others
            await self._delete(resource)
            await self._cluster.release(resource)
        except Problem as problem:
            report.problem = problem
        except KubernetesError:
            return Again(WAIT_SECONDS, failed=True)
        else:
            return None
        report.version = fails(VERSION_READY, Reason.DELETING)
        return await self._tell(resource, report)

    async def _delete(self, resource: Resource) -> None:
        """Deletes the model that the resource made; another's stays."""
        name = str(resource.status.get("model") or "")
        if not name:  # an operator that was killed may have made it, and not have told
            project = await self._cluster.project_of(resource.key.namespace)
            name = f"projects/{project}/models/{resource_id(str(resource.spec.get('modelName') or ''))}"
        model = await self._models.find(name)
        if model is not None and model.managed_by == resource.managed_by:
            await self._models.delete(name)

    async def _tell(self, resource: Resource, report: _Report) -> Again:
        problem = report.problem
        if problem is not None:
            if report.fetched.reason == Reason.FETCHING or not report.fetched.holds:
                report.fetched = problem_of(FETCHED, problem)
            if not report.version.holds:
                report.version = problem_of(VERSION_READY, problem)
        if isinstance(problem, Away):
            conditions = unknown(resource.status.get("conditions") or (), (FETCHED, VERSION_READY), problem)
            report.status["state"] = resource.status.get("state")
        else:
            conditions = [report.ready, report.fetched, report.version]
            report.status["state"] = _state(resource, report)
        known = self._find(resource.key) or resource  # with what was told last, maybe a moment ago
        try:
            made = await self._cluster.tell(replace(resource, status=known.status), conditions, report.status)
        except KubernetesError:
            return Again(WAIT_SECONDS, failed=True)
        if made is not None:
            self._learn(made)
        if problem is not None and problem.passing:
            return Again(RETRY_SECONDS, failed=True)
        return Again(self._check_seconds)


def _report(resource: Resource) -> _Report:
    """Returns what is told where nothing is found out: what was made stays known."""
    kept = ("model", "version", "digest", "specDigest", "sha256", "incomplete")
    return _Report(
        status={name: resource.status.get(name) for name in kept},
        fetched=fails(FETCHED, Reason.VERSION_PENDING),
        version=fails(VERSION_READY, Reason.VERSION_PENDING),
    )


def _check_project(resource: Resource, project: str) -> None:
    made = str(resource.status.get("model") or "")
    if made and not made.startswith(f"projects/{project}/"):
        problem = f"it has made {made}, and its namespace is of project {project} now; delete it and make it anew"
        raise Problem(Reason.PROJECT_CHANGED, problem, passing=True)


def _state(resource: Resource, report: _Report) -> str:
    if resource.deleting:
        return "Deleting"
    if report.problem is not None and report.problem.reason == Reason.CONFLICT:
        return "Conflict"
    if report.version.holds:
        return "Ready"
    return "Fetching" if report.fetched.reason == Reason.FETCHING else "Failed" if report.problem else "Pending"
