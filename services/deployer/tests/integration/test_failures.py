"""What goes wrong with a model, its archive, its environment, the registry or a replica, and what callers are told."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2
from kea_core import status
from kea_deployer.provision import artifacts

State = deployment_pb2.Deployment
ReplicaState = deployment_pb2.Replica
TRUE, FALSE, UNKNOWN = 1, 2, 3
ONCE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What happens is no matter of the database."""


def reason_of(operation: Any) -> str:
    from google.rpc import error_details_pb2

    info = error_details_pb2.ErrorInfo()
    assert operation.error.code == status.number_of(grpc.StatusCode.FAILED_PRECONDITION), operation
    assert any(detail.Unpack(info) for detail in operation.error.details)
    return info.reason


async def test_a_model_that_cannot_be_loaded_fails_its_deployment_with_the_last_line_of_the_traceback(
    start_deployer: Any, helpers: Any
) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put(load="raise ValueError('no\\0 weights \\udc80' + '.' * 10_000)")
        ended = await deployer.ended(await deployer.create(replicas=2))
        assert reason_of(ended) == "MODEL_LOAD_FAILED"
        assert ended.error.message.startswith("ValueError: no� weights ")
        found = await deployer.until(lambda found: not found.reconciling)
        assert found.state == State.STATE_FAILED
        told = helpers.conditions_of(found)
        assert told["ReplicasReady"][:2] == (FALSE, "MODEL_LOAD_FAILED")
        assert told["EnvironmentReady"][0] == TRUE
        assert {replica.state for replica in found.replicas} == {ReplicaState.STATE_FAILED}


@ONCE
async def test_a_model_whose_threads_keep_it_from_ending_fails_all_the_same(
    start_deployer: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kea_deployer.local.replica_process.KILL_AFTER_SECONDS", 0.1)
    load = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); raise ValueError('no')"
    async with start_deployer() as deployer:
        deployer.registry.put(load=load)
        ended = await deployer.ended(await deployer.create())
        assert reason_of(ended) == "MODEL_LOAD_FAILED"


@ONCE
async def test_what_failed_is_tried_anew_on_an_update_while_what_is_left_of_it_ends(
    start_deployer: Any, helpers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kea_deployer.local.replica_process.KILL_AFTER_SECONDS", 0.5)
    flag, slow = tmp_path / "broken", tmp_path / "slow"
    flag.touch()
    # The first fails; the other is still loading then, and takes no notice of SIGTERM.
    load = f"""
        import signal, time
        from pathlib import Path
        if Path({str(flag)!r}).exists():
            try:
                Path({str(slow)!r}).touch(exist_ok=False)
            except FileExistsError:
                raise ValueError("broken")
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
    """
    async with start_deployer(drain_seconds=0.1) as deployer:
        deployer.registry.put(load=load.strip())
        assert reason_of(await deployer.ended(await deployer.create(replicas=2))) == "MODEL_LOAD_FAILED"
        (draining,) = [entry for entry in (await deployer.get()).replicas if entry.state == ReplicaState.STATE_DRAINING]
        process = psutil.Process(draining.pid)
        flag.unlink()
        ended = await deployer.ended(await deployer.scale(1))
        assert not ended.HasField("error"), ended.error
        found = await deployer.get()
        assert (found.state, len(found.replicas)) == (State.STATE_ACTIVE, 1)
        assert found.replicas[0].id != draining.id
        await helpers.eventually(lambda: not process.is_running())


@ONCE
async def test_an_archive_that_is_another_one_is_not_unpacked(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put(sha256="0" * 64)
        ended = await deployer.ended(await deployer.create())
        assert reason_of(ended) == "ARTIFACT_FAILED"
        assert "SHA-256" in ended.error.message
        deployer.registry.put(2, archive=b"no archive at all")
        ended = await deployer.ended(await deployer.create(f"{helpers.NAME}-2", "2"))
        assert reason_of(ended) == "ARTIFACT_FAILED"
        assert "cannot be unpacked" in ended.error.message
        deployer.registry.put(3, archive=helpers.pack({"../\udcffevil": b""}))
        ended = await deployer.ended(await deployer.create(f"{helpers.NAME}-3", "3"))
        assert "is not a plain file or directory below the archive's own" in ended.error.message
        assert not list((deployer.settings.data_directory / "artifacts").iterdir())
        found = await deployer.until(lambda found: not found.reconciling)
        assert found.state == State.STATE_FAILED
        assert helpers.conditions_of(found)["ArtifactReady"][:2] == (FALSE, "ARTIFACT_FAILED")
        assert not found.replicas


@ONCE
async def test_an_archive_beyond_the_bound_is_not_kept(start_deployer: Any) -> None:
    async with start_deployer(max_artifact_bytes=100) as deployer:
        deployer.registry.put()
        ended = await deployer.ended(await deployer.create())
        assert ended.error.message == "the archive of projects/default/models/echo/versions/1 is larger than 100 bytes"


@ONCE
async def test_requirements_that_cannot_be_resolved_are_told_in_uvs_words(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put(requirements=["numpy>2", "numpy<2"])
        ended = await deployer.ended(await deployer.create())
        assert reason_of(ended) == "ENVIRONMENT_FAILED"
        assert "No solution found" in ended.error.message
        found = await deployer.get()
        assert helpers.conditions_of(found)["EnvironmentReady"][:2] == (FALSE, "ENVIRONMENT_FAILED")
        assert helpers.conditions_of(found)["ArtifactReady"][0] == TRUE


async def test_a_registry_that_is_away_refuses_a_creation_and_only_delays_one_that_has_begun(
    start_deployer: Any, helpers: Any
) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.refuses = grpc.StatusCode.UNAVAILABLE
        begun = await deployer.create()
        waiting = await deployer.until(
            lambda found: helpers.conditions_of(found)["ArtifactReady"][2] == "waiting for the registry"
        )
        assert waiting.state == State.STATE_CREATING
        deployer.registry.refuses = None
        assert not (await deployer.ended(begun)).HasField("error")


async def test_a_creation_needs_the_registry(settings: Any, start_deployer: Any, helpers: Any) -> None:
    async with start_deployer(registry_address=f"{settings.registry_address}-gone") as deployer:
        assert await helpers.refused(deployer.create()) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")


@ONCE
async def test_a_registry_that_stops_in_the_middle_is_asked_again(
    start_deployer: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts.Artifacts.__init__, "__kwdefaults__", {"stall_seconds": 0.2})
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        begun = await deployer.create()
        await deployer.until(lambda found: "waiting" in helpers.conditions_of(found)["ArtifactReady"][2])
        deployer.registry.sending.set()
        assert not (await deployer.ended(begun)).HasField("error")
        assert deployer.registry.downloads > 1


@ONCE
async def test_what_the_registry_refuses_for_good_is_not_asked_again(start_deployer: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.refuses = grpc.StatusCode.DATA_LOSS
        ended = await deployer.ended(await deployer.create())
        assert reason_of(ended) == "ARTIFACT_FAILED"
        assert deployer.registry.downloads == 1


@ONCE
async def test_a_full_disk_fails_one_deployment_and_not_the_deployer(
    start_deployer: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async with start_deployer() as deployer:
        deployer.registry.put()
        with monkeypatch.context() as patch:
            patch.setattr(artifacts, "_unpack", full)
            ended = await deployer.ended(await deployer.create())
        assert reason_of(ended) == "ARTIFACT_FAILED"
        assert ended.error.message == "No space left on device"
        assert not (await deployer.ended(await deployer.scale(1))).HasField("error")


async def test_a_killed_replica_comes_back(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        (before,) = (await deployer.created(replicas=1)).replicas
        os.kill(before.pid, signal.SIGKILL)
        found = await deployer.until(lambda found: not found.reconciling and found.replicas[0].pid != before.pid)
        (after,) = found.replicas
        assert (after.id, after.restart_count, after.http_address) == (before.id, 1, before.http_address)
        assert await helpers.call(after, "echo", text="back") == {"result": "back"}


@ONCE
async def test_a_replica_that_hangs_is_ended_and_started_again(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer(health_timeout_seconds=0.2) as deployer:
        deployer.registry.put()
        (before,) = (await deployer.created()).replicas
        os.kill(before.pid, signal.SIGSTOP)
        found = await deployer.until(lambda found: "REPLICA_SILENT" in {entry.reason for entry in found.conditions})
        assert found.replicas[0].state != ReplicaState.STATE_READY
        found = await deployer.until(lambda found: not found.reconciling and found.replicas[0].pid != before.pid)
        assert found.replicas[0].restart_count == 1


@ONCE
async def test_a_replica_that_ends_again_and_again_fails_the_deployment_and_is_tried_all_the_same(
    start_deployer: Any, helpers: Any, tmp_path: Path
) -> None:
    flag = tmp_path / "broken"
    flag.touch()
    async with start_deployer() as deployer:
        deployer.registry.put(load=f"if os.path.exists({str(flag)!r}): os._exit(3)")
        ended = await deployer.ended(await deployer.create())
        assert reason_of(ended) == "REPLICA_CRASHED"
        assert ended.error.message == "the process ended with code 3"
        found = await deployer.get()
        assert (found.state, found.reconciling) == (State.STATE_FAILED, True)
        flag.unlink()
        found = await deployer.until(lambda found: not found.reconciling)
        assert found.state == State.STATE_ACTIVE
        assert found.replicas[0].restart_count >= 3


@ONCE
async def test_growth_that_fails_ends_its_operation_and_harms_nobody(
    start_deployer: Any, helpers: Any, tmp_path: Path
) -> None:
    flag = tmp_path / "broken"
    async with start_deployer() as deployer:
        deployer.registry.put(load=f"assert not os.path.exists({str(flag)!r}), 'no memory'")
        (first,) = (await deployer.created()).replicas
        flag.touch()
        ended = await deployer.ended(await deployer.scale(2))
        assert reason_of(ended) == "MODEL_LOAD_FAILED"
        found = await deployer.get()
        assert (found.state, found.reconciling) == (State.STATE_ACTIVE, True)
        assert await helpers.call(first, "echo", text="still here") == {"result": "still here"}
        flag.unlink()  # the trouble passes: the model has been loaded before
        found = await deployer.until(lambda found: not found.reconciling)
        assert len(found.replicas) == 2


@ONCE
async def test_a_client_that_leaves_a_stream_of_logs_leaves_nothing_behind(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        await deployer.create()
        request = deployment_service_pb2.StreamDeploymentLogsRequest(name=helpers.NAME, follow=True)
        before = len(asyncio.all_tasks())
        stream = deployer.deployments.StreamDeploymentLogs(request)
        reading = asyncio.ensure_future(stream.read())
        await helpers.eventually(lambda: len(asyncio.all_tasks()) > before + 1)
        stream.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await helpers.eventually(lambda: len(asyncio.all_tasks()) <= before)
        deployer.registry.sending.set()
