"""A deployer that dies, stops and comes back, with and without its replicas."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2
from kea_core.lifeline import guarded
from kea_core.settings import to_environment

State = deployment_pb2.Deployment
ReplicaState = deployment_pb2.Replica
WatchRequest = deployment_service_pb2.WatchDeploymentsRequest
ONCE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What happens is no matter of the database."""


@asynccontextmanager
async def process(settings: Any, lifeline: int, **changes: Any) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """Runs `python -m kea_deployer` as the platform would; what it starts goes on when it is gone."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KEA_")}
    changed = replace(settings, lifeline_fd=lifeline, keep_replicas_on_stop=True, **changes)
    child = await asyncio.create_subprocess_exec(
        *guarded(lifeline, [sys.executable, "-m", "kea_deployer"]),
        env=clean | to_environment(changed, "KEA_DEPLOYER"),
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=(lifeline,),
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def up(deployer: Any) -> None:
    """Waits until a deployer serves."""
    stub: Any = health_pb2_grpc.HealthStub(deployer.channel)  # without types
    watch = stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    async for message in watch:
        if message.status == health_pb2.HealthCheckResponse.SERVING:
            watch.cancel()
            return


@asynccontextmanager
async def deploying(
    settings: Any, registry: Any, lifeline: int, helpers: Any, **changes: Any
) -> AsyncGenerator[Any, None]:
    """Runs a deployer as a process, and speaks to it."""
    async with (
        asyncio.timeout(60),
        process(settings, lifeline, **changes),
        helpers.connected(settings, registry) as deployer,
    ):
        await up(deployer)
        yield deployer


async def states_until_synced(deployer: Any, name: str, since: int) -> list[int]:
    """Returns the states of the first replica in every change up to now."""
    watch = deployer.deployments.WatchDeployments(WatchRequest(since_revision=since))
    found: list[int] = []
    async for message in watch:
        if message.upserted.name == name:
            found.append(message.upserted.replicas[0].state)
        elif message.WhichOneof("change") is None:
            watch.cancel()
            break
    return found


async def test_replicas_outlive_a_killed_deployer_and_are_the_next_ones_own(
    settings: Any, neighbours: Any, lifeline: Any, helpers: Any
) -> None:
    neighbours.put()
    async with asyncio.timeout(60), helpers.connected(settings, neighbours) as deployer:
        async with process(settings, lifeline.fd) as first:
            await up(deployer)
            before = (await deployer.created(replicas=2)).replicas
            first.kill()
            await first.wait()
        for replica in before:
            assert await helpers.call(replica, "echo", text="alone") == {"result": "alone"}
        async with process(settings, lifeline.fd):
            await up(deployer)
            found = await deployer.until(lambda found: not found.reconciling)
            assert list(found.replicas) == list(before)
            # It is watched: its end is noticed, though it is nobody's child here.
            os.kill(before[0].pid, signal.SIGKILL)
            found = await deployer.until(lambda found: not found.reconciling and found.replicas[0] != before[0])
            assert [replica.restart_count for replica in found.replicas] == [1, 0]
            assert found.replicas[1].pid == before[1].pid
            family = [psutil.Process(replica.pid) for replica in found.replicas]
            family += [child for member in family for child in member.children(recursive=True)]
            lifeline.end()
            await helpers.eventually(lambda: not any(alive(member) for member in family))


def alive(member: psutil.Process) -> bool:
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_callers_lose_no_replica_while_a_deployer_is_replaced(
    settings: Any, neighbours: Any, lifeline: Any, helpers: Any
) -> None:
    neighbours.put()
    async with deploying(settings, neighbours, lifeline.fd, helpers) as deployer:
        before = await deployer.created()
        watch = deployer.deployments.WatchDeployments(WatchRequest())
        seen = [(await watch.read()).revision for _ in range(2)][-1]
        watch.cancel()
    # The replica takes its time to answer just then.
    (pid,) = [replica.pid for replica in before.replicas]
    os.kill(pid, signal.SIGSTOP)
    async with deploying(settings, neighbours, lifeline.fd, helpers, health_timeout_seconds=30.0) as deployer:
        # The next one has looked at everything before it has brought up another.
        await deployer.created("projects/default/deployments/other")
        assert await states_until_synced(deployer, helpers.NAME, seen) == [], "nothing has changed, and nothing is told"
        os.kill(pid, signal.SIGCONT)
        assert await deployer.get() == before


async def test_a_deployer_that_is_told_to_stop_ends_its_replicas_and_starts_them_again_when_it_is_back(
    start_deployer: Any, helpers: Any
) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        (before,) = (await deployer.created()).replicas
        process = psutil.Process(before.pid)
    assert not alive(process)
    async with start_deployer() as deployer:
        deployer.registry.refuses = grpc.StatusCode.UNAVAILABLE  # what it has fetched, it has
        found = await deployer.until(lambda found: not found.reconciling and found.replicas[0].pid != before.pid)
        (after,) = found.replicas
        assert (after.id, after.restart_count) == (before.id, 0)
        assert await helpers.call(after, "echo", text="back") == {"result": "back"}


@ONCE
async def test_running_replicas_go_on_where_nothing_can_be_prepared_any_more(
    settings: Any, neighbours: Any, lifeline: Any, helpers: Any
) -> None:
    neighbours.put()
    async with deploying(settings, neighbours, lifeline.fd, helpers) as deployer:
        (before,) = (await deployer.created()).replicas
    (settings.data_directory / "artifacts").rename(settings.data_directory / "lost")
    neighbours.refuses = grpc.StatusCode.NOT_FOUND
    async with deploying(settings, neighbours, lifeline.fd, helpers) as deployer:
        found = await deployer.until(lambda found: "ARTIFACT_FAILED" in {entry.reason for entry in found.conditions})
        assert (found.state, found.reconciling) == (State.STATE_ACTIVE, False)
        assert await helpers.call(before, "echo", text="alone") == {"result": "alone"}
        ended = await deployer.ended(await deployer.scale(2))
        assert ended.HasField("error"), "no second one can be started"
        assert [replica.pid for replica in (await deployer.get()).replicas] == [before.pid]
        neighbours.refuses = None
        ended = await deployer.ended(await deployer.scale(2))
        assert not ended.HasField("error"), ended.error


@ONCE
async def test_a_deletion_goes_on_after_a_restart(settings: Any, neighbours: Any, lifeline: Any, helpers: Any) -> None:
    neighbours.put()
    async with deploying(settings, neighbours, lifeline.fd, helpers, drain_delay_seconds=60.0) as deployer:
        await deployer.created()
        begun = await deployer.delete()
        await deployer.until(lambda found: found.replicas[0].state == ReplicaState.STATE_DRAINING)
    (settings.data_directory / "artifacts").rename(settings.data_directory / "lost")
    async with deploying(settings, neighbours, lifeline.fd, helpers) as deployer:
        assert not (await deployer.ended(begun)).HasField("error")
        assert neighbours.downloads == 1, "what goes needs no ground"


@ONCE
async def test_what_no_deployment_knows_is_ended_and_removed_at_the_start(
    settings: Any, start_deployer: Any, lifeline: Any, helpers: Any
) -> None:
    runs, sockets, logs = (
        settings.data_directory / "run",
        settings.socket_directory,
        settings.data_directory / "logs" / "default.gone",
    )
    for directory in (runs, sockets, logs):
        directory.mkdir(parents=True)
    spec = runs / "0badcafe.json"
    spec.write_text(json.dumps({}))
    (runs / "0badcafe.ready.json").write_text("{}")
    (sockets / "0badcafe.http").touch()
    (sockets / "not-a-replica").touch()
    (logs / "0badcafe.log").touch()
    program = [sys.executable, "-c", "import time; time.sleep(60)", "--spec", str(spec)]
    stray = subprocess.Popen(guarded(lifeline.fd, program), pass_fds=(lifeline.fd,), start_new_session=True)  # noqa: S603, ASYNC220 - the test's own command
    async with start_deployer():
        await helpers.eventually(lambda: stray.poll() is not None)
        assert stray.returncode == -signal.SIGKILL
        assert not list(runs.iterdir())
        assert [path.name for path in sockets.iterdir()] == ["not-a-replica"]
        assert not logs.exists()


@ONCE
async def test_what_an_earlier_deployer_had_begun_to_lay_out_is_begun_anew(settings: Any, start_deployer: Any) -> None:
    artifacts = settings.data_directory / "artifacts"
    (artifacts / ".draft-0000-0000").mkdir(parents=True)
    (artifacts / ".draft-0000-0000.tar").write_bytes(b"half")
    async with start_deployer() as deployer:
        assert not list(artifacts.iterdir())
        deployer.registry.put()
        await deployer.created()
        assert [len(path.name) for path in artifacts.iterdir()] == [64]


async def test_a_model_that_could_not_be_loaded_is_not_tried_again_by_the_next_deployer(
    start_deployer: Any, helpers: Any, tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    async with start_deployer() as deployer:
        deployer.registry.put(load=f"open({str(tries)!r}, 'a').write('x'); raise ValueError('no')")
        await deployer.ended(await deployer.create())
    async with start_deployer() as deployer:
        found = await deployer.until(lambda found: not found.reconciling)
        assert helpers.conditions_of(found)["ReplicasReady"][1:] == ("MODEL_LOAD_FAILED", "ValueError: no")
        await deployer.created("projects/default/deployments/other", await other_version(deployer))
        assert tries.read_text() == "x"


async def other_version(deployer: Any) -> str:
    deployer.registry.put(2)
    return "2"
