"""All that happens while this operator is the one that acts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import grpc
from kea_core.clock import Clock

from kea_deployer.cluster.api import KubernetesApi
from kea_deployer.operator.cluster_resources import ClusterResources
from kea_deployer.operator.deployment_controller import DeploymentController
from kea_deployer.operator.follower import Follower
from kea_deployer.operator.loop import Loop
from kea_deployer.operator.metrics import OperatorMetrics
from kea_deployer.operator.model_controller import ModelController
from kea_deployer.operator.names import DEPLOYMENT_KIND, MODEL_KIND
from kea_deployer.operator.platform.deployments import Deployments
from kea_deployer.operator.platform.endpoints import Endpoints
from kea_deployer.operator.platform.mirror import Mirror
from kea_deployer.operator.platform.models import Models
from kea_deployer.operator.references import is_news, is_news_for_users, model_of, users_of
from kea_deployer.operator.resource import Key, Resource
from kea_deployer.operator.settings import OperatorSettings
from kea_deployer.operator.sources.artifact_sources import ArtifactSources
from kea_deployer.operator.sources.file_source import FileSource
from kea_deployer.operator.sources.http_source import HttpSource
from kea_deployer.operator.uploads import Uploads

MODELS_AT_ONCE = 16
DEPLOYMENTS_AT_ONCE = 8


class Reign:
    """Followers, loops and controllers, made anew each time this operator begins to act.

    Args:
        settings: of the operator.
        api: the cluster.
        registry: its channel.
        deployer: its channel.
        router: its channel.
        environ: with the operator's own credentials for artifact stores.
        clock: tells the time.
        metrics: what Prometheus is told.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        api: KubernetesApi,
        *,
        registry: grpc.aio.Channel,
        deployer: grpc.aio.Channel,
        router: grpc.aio.Channel,
        environ: Mapping[str, str],
        clock: Clock,
        metrics: OperatorMetrics,
    ) -> None:
        apis = [api.within(namespace) for namespace in settings.namespaces or ("",)]
        cluster = ClusterResources(api, settings.project, clock=clock)
        models = Models(registry, upload_seconds=settings.sources.fetch_seconds)
        sources = ArtifactSources(
            settings.sources,
            HttpSource(settings.sources, clock=clock),
            FileSource(settings.sources),
            cluster.secret,
            environ,
        )
        self._models = Follower(apis, MODEL_KIND, self._model_changed)
        self._deployments = Follower(apis, DEPLOYMENT_KIND, self._deployment_changed)
        self._mirror = Mirror(deployer, router, self._managed_changed)
        self._uploads = Uploads(
            sources,
            models,
            Path(settings.data_directory) / "artifacts",
            max_bytes=settings.sources.max_bytes,
            at_once=settings.fetches_at_once,
        )
        of_models = ModelController(
            find=self._models.get,
            learn=self._models.learn,
            users=self._users,
            cluster=cluster,
            models=models,
            sources=sources,
            uploads=self._uploads,
            check_seconds=settings.sources.check_seconds,
        )
        of_deployments = DeploymentController(
            find=self._deployments.get,
            learn=self._deployments.learn,
            model_of=self._model_of,
            cluster=cluster,
            models=models,
            deployments=Deployments(deployer),
            endpoints=Endpoints(router),
            mirror=self._mirror,
            gateway_url=settings.gateway_url,
            resync_seconds=settings.resync_seconds,
        )
        self._model_loop = Loop(MODEL_KIND, of_models.look, at_once=MODELS_AT_ONCE, metrics=metrics)
        self._deployment_loop = Loop(DEPLOYMENT_KIND, of_deployments.look, at_once=DEPLOYMENTS_AT_ONCE, metrics=metrics)
        self._metrics = metrics

    async def run(self) -> None:
        """Acts until cancelled."""
        self._metrics.leads(leading=True)
        try:
            await self._run()
        finally:
            self._metrics.leads(leading=False)

    async def _run(self) -> None:
        await asyncio.to_thread(self._uploads.open)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._models.run(), name="follow models")
            tasks.create_task(self._deployments.run(), name="follow deployments")
            tasks.create_task(self._mirror.run(), name="follow kea")
            # Who refers to whom must be known before anything is taken down.
            await self._models.wait()
            await self._deployments.wait()
            tasks.create_task(self._model_loop.run(), name="models")
            tasks.create_task(self._deployment_loop.run(), name="deployments")
            await self._mirror.wait()
            for resource in self._deployments.all():
                self._deployment_loop.wake(resource.key)

    def _model_of(self, namespace: str, name: str) -> Resource | None:
        return model_of(name, self._models.within(namespace))

    def _users(self, model: Resource) -> list[Resource]:
        namespace = model.key.namespace
        return users_of(model, self._models.within(namespace), self._deployments.within(namespace))

    def _model_changed(self, before: Resource | None, now: Resource | None) -> None:
        changed = now or before
        if changed is None:
            return
        if is_news(before, now):
            self._model_loop.wake(changed.key)
        if is_news_for_users(before, now):
            for deployment in self._deployments.within(changed.key.namespace):
                if deployment.spec.get("modelName") in (changed.key.name, changed.spec.get("modelName")):
                    self._deployment_loop.wake(deployment.key)

    def _deployment_changed(self, before: Resource | None, now: Resource | None) -> None:
        changed = now or before
        if changed is None or not is_news(before, now):
            return
        self._deployment_loop.wake(changed.key)
        for model in self._models.within(changed.key.namespace):
            if model.deleting:  # it may have waited for this one
                self._model_loop.wake(model.key)

    def _managed_changed(self, resource: str) -> None:
        namespace, _, name = resource.partition("/")
        self._deployment_loop.wake(Key(namespace, name))
