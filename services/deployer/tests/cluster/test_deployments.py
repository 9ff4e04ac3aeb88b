"""Models in pods: from an archive to an answer, up, down and away."""

from __future__ import annotations

import asyncio
from typing import Any

from kea.deployer.v1 import deployment_pb2

State = deployment_pb2.Deployment
ReplicaState = deployment_pb2.Replica
TRUE = 1


async def test_a_model_serves_scales_and_leaves_nothing_behind(
    start_on_cluster: Any, namespace: Any, helpers: Any
) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        made = await deployer.created()
        assert made.state == State.STATE_ACTIVE
        assert {name: told[0] for name, told in helpers.conditions_of(made).items()} == {
            "ArtifactReady": TRUE,
            "EnvironmentReady": TRUE,
            "ReplicasReady": TRUE,
        }
        repository, _, digest = made.image.partition("@")
        assert repository.endswith("/models/default/echo:1")
        assert digest.startswith("sha256:")
        (replica,) = made.replicas
        assert replica.http_address.endswith(":8080")
        assert await namespace.call(replica, "echo", text="zwei ☃") == "zwei ☃"

        await deployer.ended(await deployer.scale(3))
        three = await deployer.until(lambda found: not found.reconciling)
        assert [each.state for each in three.replicas] == [ReplicaState.STATE_READY] * 3
        assert replica.id in {each.id for each in three.replicas}
        assert len({each.http_address for each in three.replicas}) == 3

        await deployer.ended(await deployer.scale(0))
        idle = await deployer.until(lambda found: not found.reconciling)
        assert (idle.state, list(idle.replicas)) == (State.STATE_IDLE, [])
        await deployer.ended(await deployer.scale(1))
        (again,) = (await deployer.until(lambda found: not found.reconciling)).replicas
        assert await namespace.call(again, "echo", text="again") == "again"

        await deployer.ended(await deployer.delete())
        await deployer.gone()
        assert await namespace.of_kea() == set()


async def test_a_replica_leaves_the_list_before_it_stops(start_on_cluster: Any, namespace: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        (replica,) = (await deployer.created()).replicas
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(namespace.call(replica, "slow", seconds=2))
            await asyncio.sleep(0.5)  # the request is on its way through kubectl; there is no event for that
            await deployer.scale(0)
            draining = await deployer.until(
                lambda found: found.replicas and found.replicas[0].state == ReplicaState.STATE_DRAINING
            )
            assert draining.replicas[0].id == replica.id
            assert await namespace.call(replica, "echo", text="still") == "still"
            assert await slow == 2
        await deployer.until(lambda found: not found.replicas)


async def test_what_others_change_is_put_right(start_on_cluster: Any, namespace: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        await deployer.created()
        objects = await namespace.of_kea()
        name = next(each for each in objects if each.startswith("deployment"))
        await namespace("scale", name, "--replicas", "3")
        await namespace("wait", name, "--for=jsonpath={.spec.replicas}=1", "--timeout=30s")
        for kind in ("service", "configmap", "poddisruptionbudget.policy"):
            await namespace("delete", name.replace("deployment.apps", kind))
            await namespace("wait", name.replace("deployment.apps", kind), "--for=create", "--timeout=30s")
        await deployer.until(lambda found: not found.reconciling and len(found.replicas) == 1)
        left = {each for each in await namespace.of_kea() if not each.startswith("pod/")}
        assert left == {each for each in objects if not each.startswith("pod/")}


async def test_a_pod_that_is_killed_is_replaced(start_on_cluster: Any, namespace: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        (replica,) = (await deployer.created()).replicas
        await namespace("delete", "pod", replica.id, "--grace-period=0", "--force")
        found = await deployer.until(lambda found: not found.reconciling and found.replicas[0].id != replica.id)
        assert await namespace.call(found.replicas[0], "echo", text="new") == "new"


async def test_the_next_deployer_takes_over_what_runs(start_on_cluster: Any, namespace: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        (replica,) = (await deployer.created()).replicas
    service = next(each for each in await namespace.of_kea() if each.startswith("service/"))
    await namespace("delete", service)
    async with start_on_cluster() as deployer:
        found = await deployer.until(
            lambda found: not found.reconciling and found.replicas[0].state == ReplicaState.STATE_READY
        )
        assert [each.id for each in found.replicas] == [replica.id]
        assert not (await deployer.ended(await deployer.scale(2))).HasField("error")
        assert await namespace.call(replica, "echo", text="same") == "same"
        await namespace("wait", "--for=create", service, "--timeout=30s")
        await deployer.delete()
        await deployer.gone()


async def test_the_same_input_is_the_same_image(start_on_cluster: Any, helpers: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        first = await deployer.created()
        await deployer.delete()
        await deployer.gone()
        second = await deployer.created()
        assert first.image == second.image
        stream = deployer.deployments.StreamDeploymentLogs(helpers.LogsRequest(name=helpers.NAME, tail_lines=1000))
        told = [entry.text async for message in stream for entry in message.entries]
        assert any(line.startswith(f"image {first.image}: 0 bytes sent") for line in told), told


async def test_how_replicas_run_changes_without_a_gap(start_on_cluster: Any, namespace: Any, helpers: Any) -> None:
    await namespace("create", "secret", "generic", "model-hub", "--from-literal=token=hidden")
    async with start_on_cluster() as deployer:
        deployer.registry.put(load="print(os.environ.get('LEVEL'), os.environ.get('TOKEN'), flush=True)")
        (before,) = (await deployer.created()).replicas
        wanted = deployment_pb2.Deployment(name=helpers.NAME)
        template = wanted.pod_template
        template.resource_limits["memory"] = "512Mi"
        template.labels["team"] = "a"
        template.environment.add(name="LEVEL", value="3")
        hidden = template.environment.add(name="TOKEN")
        hidden.secret.name, hidden.secret.key = "model-hub", "token"
        begun = await deployer.update(wanted)
        seen = [found async for found in deployer.states(lambda found: not found.reconciling)]
        ready = [[each.id for each in found.replicas if each.state == ReplicaState.STATE_READY] for found in seen]
        assert all(ready), "there was a moment without a replica"
        assert not (await deployer.ended(begun)).HasField("error")
        (after,) = (await deployer.get()).replicas
        assert after.id != before.id
        (pod,) = await namespace.get("pods", "--selector", "team=a")
        assert pod["spec"]["containers"][0]["resources"]["limits"] == {"memory": "512Mi"}
        lines = await namespace("logs", after.id)
        assert "3 hidden" in lines


async def test_an_image_of_ones_own_is_run_as_it_is(start_on_cluster: Any, namespace: Any, helpers: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        built = (await deployer.created()).image.partition("@")[0]
        downloads = deployer.registry.downloads
        begun = await deployer.create(f"{helpers.NAME}-2", wanted={"prebuilt_image": built})
        assert not (await deployer.ended(begun)).HasField("error")
        found = await deployer.get(f"{helpers.NAME}-2")
        assert found.image.startswith(f"{built}@sha256:")
        assert await namespace.call(found.replicas[0], "echo", text="own") == "own"
        assert deployer.registry.downloads == downloads


async def test_the_number_of_replicas_follows_the_load(start_on_cluster: Any, namespace: Any) -> None:
    busy = "import threading; threading.Thread(target=lambda: all(True for _ in iter(int, 1)), daemon=True).start()"
    async with start_on_cluster() as deployer:
        deployer.registry.put(load=busy)
        scaling = {"min_replica_count": 1, "max_replica_count": 2, "target_cpu_percent": 50}
        await deployer.ended(await deployer.create(wanted={"autoscaling": scaling}))
        two = await deployer.until(lambda found: len(found.replicas) == 2 and not found.reconciling)
        assert two.replica_count == 1
        (scaler,) = await namespace.get("horizontalpodautoscalers")
        assert scaler["status"]["desiredReplicas"] == 2
