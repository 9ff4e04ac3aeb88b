"""The platform `kubernetes`: replicas are pods of a cluster."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from kea_core.resource_name import parse_name
from kea_core.task_scope import TaskScope
from kea_oci.errors import BadImageReference
from kea_oci.reference import ImageReference
from prometheus_client import CollectorRegistry

from kea_deployer.builds.workshop import ImageWorkshop
from kea_deployer.cluster.actions import Put, Remove
from kea_deployer.cluster.api import KubernetesApi, Object, connect
from kea_deployer.cluster.decide import decide
from kea_deployer.cluster.errors import KubernetesRefused
from kea_deployer.cluster.image_ground import ImageGround
from kea_deployer.cluster.informer import Informer
from kea_deployer.cluster.leader import Leader
from kea_deployer.cluster.names import SELECTOR, object_name
from kea_deployer.cluster.objects import KINDS, objects_of
from kea_deployer.cluster.observation import Observation, observe
from kea_deployer.cluster.pod_logs import PodLogs
from kea_deployer.cluster.scaling import wanted_replicas
from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import Deployment
from kea_deployer.domain.errors import PrebuiltImageInvalid, SecretNotAllowed
from kea_deployer.domain.plan import Action, Failure, Plan
from kea_deployer.provision.log_files import LogFiles
from kea_deployer.provision.preparations import Preparations
from kea_deployer.settings import DeployerSettings

log = logging.getLogger(__name__)

SPARE_ARTIFACTS = 2
"""Unpacked artifacts kept though their images are built."""
AGAIN_SECONDS = 10.0
"""Time between two tries of what the cluster refused, or did not keep as it was applied."""
OBJECT_REFUSED = "OBJECT_REFUSED"
READY_IMAGE = Preparation(artifact_ready=True, environment_ready=True)


class ClusterPlatform:
    """Implements `kea_deployer.domain.plan.Platform`."""

    def __init__(
        self,
        settings: DeployerSettings,
        api: KubernetesApi,
        preparations: Preparations[str],
        logs: LogFiles,
        *,
        notice: Callable[[str], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._api = api
        self._preparations = preparations
        self._own_logs = logs
        self._notice = notice
        self._monotonic = monotonic
        self._target = settings.images.targets()[0]
        self._informers = {kind: Informer(api, kind, SELECTOR, notice) for kind in (*KINDS, "Pod", "EndpointSlice")}
        self._refusals: dict[str, tuple[Failure, float]] = {}
        self._applied: dict[str, tuple[Object, float]] = {}
        """What was applied last, and when, by kind and name: what a cluster keeps otherwise is not applied for ever."""
        self._early: set[str] = set()
        """Deployments that were asked about before the cluster was known."""
        self.logs = PodLogs(api, self._informers["Pod"], logs)
        me = f"{socket.gethostname()}_{uuid.uuid4().hex}"
        self._leader = Leader(api, settings.cluster.lease_name, me, monotonic=monotonic)

    async def run(self) -> None:
        """Follows the cluster until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind, informer in self._informers.items():
                tasks.create_task(informer.run(), name=f"follow {kind}")
            for informer in self._informers.values():
                await informer.synced.wait()
            for name in self._early:
                self._notice(name)
            self._early.clear()

    async def act(self, work: Callable[[], Awaitable[None]]) -> None:
        """Has `work` run while this deployer is the one that acts."""
        await self._leader.run(work)

    def check(self, deployment: Deployment) -> None:
        """Refuses variables from Secrets that are not models' to read, and what is no name of an image.

        Raises:
            SecretNotAllowed: there is such a variable.
            PrebuiltImageInvalid: the prebuilt image's name is none.
        """
        if deployment.prebuilt_image:
            try:
                ImageReference.parse(deployment.prebuilt_image)
            except BadImageReference as error:
                raise PrebuiltImageInvalid(deployment.prebuilt_image, str(error)) from error
        prefix = self._settings.cluster.secret_prefix
        for variable in deployment.pod_template.environment:
            if variable.secret is not None and not variable.secret.name.startswith(prefix):
                raise SecretNotAllowed(variable.name, variable.secret.name, prefix)

    def plan(self, deployment: Deployment, now: datetime) -> Plan:
        """Compares what is wanted with what is on the cluster, as far as that is known."""
        if not all(informer.synced.is_set() for informer in self._informers.values()):
            self._early.add(deployment.name)
            return Plan(replace(deployment.status, step="looking at the cluster"))
        preparation = self._prepared(deployment)
        image = deployment.status.image or self._preparations.ground(deployment.name) or ""
        known = replace(deployment, status=replace(deployment.status, image=image))
        refused = self._refusals.get(deployment.name)
        observation = self._observe(deployment.name)
        replicas = wanted_replicas(known, observation)
        plan = decide(
            known,
            preparation,
            observation,
            objects_of(known, replicas, self._settings, self._target) if image else [],
            replicas,
            now,
            refusal=None if refused is None else refused[0],
            patience=timedelta(seconds=self._settings.cluster.unschedulable_seconds),
        )
        due, rest = self._due(deployment.name, plan.actions)
        later = None if rest is None else now + timedelta(seconds=rest)
        return replace(plan, actions=due, again_time=_sooner(plan.again_time, later))

    async def apply(self, deployment: Deployment, actions: Sequence[Action]) -> None:
        """Makes and removes objects.

        Raises:
            KubernetesAway: the API server does not answer.
        """
        for action in actions:
            try:
                if isinstance(action, Put):
                    await self._put(action)
                elif isinstance(action, Remove):
                    await self._api.delete(action.kind, action.name)
            except KubernetesRefused as error:
                problem = f"{_what(action)}: {error}"
                self._own_logs.note(deployment.key, f"{OBJECT_REFUSED}: {problem}")
                failure = Failure.told(OBJECT_REFUSED, problem, final=False)
                self._refusals[deployment.name] = (failure, self._monotonic())
                self._notice(deployment.name)
                return
        if actions and self._refusals.pop(deployment.name, None) is not None:
            self._notice(deployment.name)

    async def forget(self, name: str) -> None:
        """Removes what is kept of a deployment that is gone."""
        self._preparations.forget(name)
        self._refusals.pop(name, None)
        for kind in KINDS:
            self._applied.pop(f"{kind}/{object_name(name)}", None)
        await asyncio.to_thread(self._own_logs.remove, ".".join(parse_name(name, "projects", "deployments")))

    def _prepared(self, deployment: Deployment) -> Preparation:
        if not deployment.status.image and not deployment.deleting:
            return self._preparations.observe(deployment)
        self._preparations.forget(deployment.name)
        return READY_IMAGE

    def _observe(self, name: str) -> Observation:
        objects = {kind: item for kind in KINDS for item in self._informers[kind].of(name)}
        return observe(objects, self._informers["Pod"].of(name), self._informers["EndpointSlice"].of(name))

    def _due(self, name: str, actions: Sequence[Action]) -> tuple[tuple[Action, ...], float | None]:
        """Returns what may be done now, and in how many seconds the rest may; None where nothing is left out."""
        refused = self._refusals.get(name)
        if refused is not None and actions and (rest := refused[1] + AGAIN_SECONDS - self._monotonic()) > 0:
            return (), rest
        due: list[Action] = []
        wait: float | None = None
        for action in actions:
            rest = 0.0
            if isinstance(action, Put):
                applied = self._applied.get(_key(action.item))
                if applied is not None and applied[0] == action.item and action.ours:
                    rest = applied[1] + AGAIN_SECONDS - self._monotonic()
            if rest > 0:
                wait = rest if wait is None else min(wait, rest)
            else:
                due.append(action)
        return tuple(due), wait

    async def _put(self, action: Put) -> None:
        made = await self._api.apply(action.item, force=action.ours)
        self._applied[_key(action.item)] = (action.item, self._monotonic())
        self._informers[action.item["kind"]].learn(made)


def _key(item: Object) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def _what(action: Action) -> str:
    if isinstance(action, Put):
        return _key(action.item)
    return f"{action.kind}/{action.name}" if isinstance(action, Remove) else ""


def _sooner(first: datetime | None, second: datetime | None) -> datetime | None:
    return min((time for time in (first, second) if time is not None), default=None)


@asynccontextmanager
async def open_cluster_platform(
    settings: DeployerSettings,
    workshop: ImageWorkshop,
    logs: LogFiles,
    notice: Callable[[str], None],
    metrics: CollectorRegistry,
) -> AsyncGenerator[ClusterPlatform, None]:
    """Opens the platform; at the end replicas go on: they are the cluster's.

    Raises:
        KubernetesError: no cluster is named.
    """
    cluster = settings.cluster
    async with connect(cluster.namespace, cluster.kubeconfig, metrics) as api, TaskScope() as tasks:
        preparations = Preparations(workshop.artifacts, ImageGround(workshop), logs, tasks=tasks, notice=notice)
        platform = ClusterPlatform(settings, api, preparations, logs, notice=notice, monotonic=time.monotonic)
        tasks.create_task(platform.run(), name="cluster")
        yield platform
