"""The platform `local`: replicas are child processes on this machine, each in an environment of its model's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import psutil
from kea_core.resource_name import parse_name
from kea_core.task_scope import TaskScope

from kea_deployer.domain.conditions import Preparation
from kea_deployer.domain.deployment import Deployment, Replica, ReplicaState
from kea_deployer.domain.errors import NotOnThisPlatform
from kea_deployer.domain.plan import Action, Plan
from kea_deployer.domain.pod_template import PodTemplate
from kea_deployer.local.actions import Drain, Kill, Start
from kea_deployer.local.decide import decide
from kea_deployer.local.environments import Environments, environment_name
from kea_deployer.local.ground import Ground, GroundLayer
from kea_deployer.local.launch import command_of, environment, running, spec_of
from kea_deployer.local.replica_files import ReplicaFiles, sweep
from kea_deployer.local.replica_process import ReplicaProcess, Timing, Watch
from kea_deployer.local.runtime_layer import Layers, layer_name
from kea_deployer.provision.artifacts import Archives, Artifacts
from kea_deployer.provision.content import Directories
from kea_deployer.provision.log_files import LogFiles
from kea_deployer.provision.preparations import Preparations
from kea_deployer.provision.recipe import Recipe, read_recipe, requirements_of
from kea_deployer.provision.uv import Uv, UvError
from kea_deployer.settings import DeployerSettings

log = logging.getLogger(__name__)

SPARE_ENVIRONMENTS = 8
"""Environments kept that no deployment needs: the next version will want nearly the same, and uv is not needed then."""
SPARE_ARTIFACTS = 2
SPARE_LAYERS = 1


class LocalPlatform:
    """Implements `kea_deployer.domain.plan.Platform`."""

    def __init__(
        self,
        settings: DeployerSettings,
        lifeline: int,
        recipe: Recipe,
        archives: Archives,
        logs: LogFiles,
        *,
        tasks: TaskScope,
        notice: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._lifeline = lifeline
        self._recipe = recipe
        self._logs = logs
        self._tasks = tasks
        self._notice = notice
        self._runs = settings.data_directory / "run"
        self._processes: dict[str, ReplicaProcess] = {}
        data = settings.data_directory
        self._directories = {name: Directories(data / name) for name in ("artifacts", "environments", "layers")}
        uv = Uv(lifeline, os.environ)
        self._layers = Layers(self._directories["layers"], uv)
        self._preparations = Preparations(
            Artifacts(self._directories["artifacts"], archives, max_bytes=settings.max_artifact_bytes),
            GroundLayer(Environments(self._directories["environments"], uv), self._layers, recipe),
            logs,
            tasks=tasks,
            notice=notice,
        )

    def check(self, deployment: Deployment) -> None:
        """Refuses what only a cluster can give.

        Raises:
            NotOnThisPlatform: that was asked for.
        """
        asked = {
            "pod_template": deployment.pod_template != PodTemplate(),
            "autoscaling": deployment.autoscaling is not None,
            "prebuilt_image": bool(deployment.prebuilt_image),
        }
        for name, wanted in asked.items():
            if wanted:
                raise NotOnThisPlatform(name)

    async def open(self, deployments: Sequence[Deployment]) -> None:
        """Makes directories, finds the replicas that an earlier deployer left running, and ends those nobody knows."""
        for directory in self._directories.values():
            await directory.open()
        known = {
            replica.id: (deployment, replica) for deployment in deployments for replica in deployment.status.replicas
        }
        found = await asyncio.to_thread(self._tidy_up, known, {deployment.key for deployment in deployments})
        for identifier, process in found.items():
            if identifier in known:
                deployment, replica = known[identifier]
                adopted = self._process(identifier, deployment.name)
                answers = replica.state is ReplicaState.READY and replica.pid == process.pid
                self._follow(adopted, adopted.adopt(process, answers=answers))
                log.info("replica adopted", extra={"replica": identifier, "pid": process.pid})
            else:
                log.warning("replica of no deployment ended", extra={"replica": identifier, "pid": process.pid})
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self._tasks.create_task(self._lay_out_layer(), name="runtime layer")

    def _tidy_up(self, replicas: Collection[str], keys: Collection[str]) -> dict[str, psutil.Process]:
        """Makes directories and removes what is left in them of what is gone; returns the replicas that run."""
        for directory in (self._runs, self._settings.socket_directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            sweep(directory, replicas)
        self._logs.keep(keys)
        return running(self._runs)

    async def close(self, *, keep: bool) -> None:
        """Ends the replicas, each after what it accepted; with `keep` they go on."""
        running = [process for process in self._processes.values() if process.observation.running and not keep]
        async with asyncio.TaskGroup() as stopping:
            for process in running:
                stopping.create_task(process.stop(), name=f"stop {process.replica}")

    def plan(self, deployment: Deployment, now: datetime) -> Plan:
        """Compares what is wanted with the processes there are."""
        preparation = Preparation() if deployment.deleting else self._preparations.observe(deployment)
        observed = {replica: process.observation for replica, process in self._of(deployment.name).items()}
        return decide(deployment, preparation, observed, now, partial(self._new_replica, now))

    async def apply(self, deployment: Deployment, actions: Sequence[Action]) -> None:
        """Starts, drains and kills processes."""
        ground = self._preparations.ground(deployment.name)
        for action in actions:
            if isinstance(action, Start) and ground is not None:
                await self._start(deployment, action.replica, ground)
            elif isinstance(action, Drain):
                self._drain(action.replica)
            elif isinstance(action, Kill) and action.replica in self._processes:
                self._processes[action.replica].kill()
        ids = {replica.id for replica in deployment.status.replicas}
        for replica, process in self._of(deployment.name).items():
            if replica in ids:
                continue
            if process.observation.running:
                self._drain(replica)  # the deployment was tried anew, and knows it no more
            else:
                self._processes.pop(replica).files.remove()
        self._logs.prune(deployment.key, ids)

    async def forget(self, name: str) -> None:
        """Removes what is kept of a deployment that is gone."""
        self._preparations.forget(name)
        for replica, process in self._of(name).items():
            process.kill()
            self._processes.pop(replica).files.remove()
        await asyncio.to_thread(self._logs.remove, ".".join(parse_name(name, "projects", "deployments")))

    async def tidy(self, deployments: Sequence[Deployment]) -> None:
        """Removes artifacts and environments that none of all the deployments there are needs."""
        artifacts = {deployment.model.sha256 for deployment in deployments}
        await self._directories["artifacts"].keep(artifacts, spare=SPARE_ARTIFACTS)
        requirements = [requirements_of(deployment.model, self._recipe) for deployment in deployments]
        environments = {environment_name(lines) for lines in requirements}
        await self._directories["environments"].keep(environments, spare=SPARE_ENVIRONMENTS)
        await self._directories["layers"].keep({layer_name(self._recipe)}, spare=SPARE_LAYERS)

    def _of(self, name: str) -> dict[str, ReplicaProcess]:
        return {replica: process for replica, process in self._processes.items() if process.deployment == name}

    def _process(self, replica: str, deployment: str) -> ReplicaProcess:
        found = self._processes.get(replica)
        if found is None:
            timing = Timing(
                health_interval_seconds=self._settings.health_interval_seconds,
                health_timeout_seconds=self._settings.health_timeout_seconds,
                health_failures=self._settings.health_failures,
                start_timeout_seconds=self._settings.start_timeout_seconds,
                drain_delay_seconds=self._settings.drain_delay_seconds,
                drain_seconds=self._settings.drain_seconds,
            )
            found = ReplicaProcess(replica, deployment, self._files(replica), timing, self._notice)
            self._processes[replica] = found
        return found

    def _files(self, replica: str) -> ReplicaFiles:
        return ReplicaFiles.of(replica, self._runs, self._settings.socket_directory)

    def _new_replica(self, now: datetime, number: int) -> Replica:
        replica = secrets.token_hex(4)
        files = self._files(replica)
        return Replica(
            id=replica,
            number=number,
            state=ReplicaState.STARTING,
            http_address=f"unix:{files.http_socket}",
            grpc_address=f"unix:{files.grpc_socket}",
            pid=0,
            process_time=0.0,
            restart_count=0,
            start_time=now,
            restart_time=None,
        )

    async def _start(self, deployment: Deployment, replica: str, ground: Ground) -> None:
        process = self._process(replica, deployment.name)
        if process.observation.running:
            return
        spec = json.dumps(spec_of(deployment, process.files, ground, self._settings))
        await asyncio.to_thread(process.files.spec.write_text, spec)
        argv = command_of(process.files, ground)
        file = self._logs.file(deployment.key, replica)
        self._logs.note(deployment.key, f"starting replica {replica}")
        watch = await process.start(argv, self._lifeline, environment(), log=file, log_bytes=self._logs.max_bytes)
        self._follow(process, watch)
        self._notice(deployment.name)

    def _follow(self, process: ReplicaProcess, watch: Watch) -> None:
        self._tasks.create_task(watch(), name=f"watch {process.replica}")

    def _drain(self, replica: str) -> None:
        process = self._processes.get(replica)
        if process is not None and not process.draining:
            self._tasks.create_task(process.drain(), name=f"drain {replica}")

    async def _lay_out_layer(self) -> None:
        """Ahead of time, so that the first deployment does not wait for it; its failure is told there."""
        try:
            await self._layers.get(self._recipe, lambda line: log.info("uv", extra={"line": line}))
        except (UvError, OSError) as error:
            log.warning("model server not laid out", extra={"problem": str(error)})


@asynccontextmanager
async def open_local_platform(
    settings: DeployerSettings,
    archives: Archives,
    logs: LogFiles,
    deployments: Sequence[Deployment],
    notice: Callable[[str], None],
) -> AsyncGenerator[LocalPlatform, None]:
    """Opens the platform; at the end its replicas are stopped, or kept, as the settings say."""
    recipe = await read_recipe()
    lifeline, held = (settings.lifeline_fd, -1) if settings.lifeline_fd >= 0 else os.pipe()
    try:
        async with TaskScope() as tasks:
            platform = LocalPlatform(settings, lifeline, recipe, archives, logs, tasks=tasks, notice=notice)
            await platform.open(deployments)
            try:
                yield platform
            finally:
                await platform.close(keep=settings.keep_replicas_on_stop)
    finally:
        if held >= 0:
            os.close(held)
            os.close(lifeline)
