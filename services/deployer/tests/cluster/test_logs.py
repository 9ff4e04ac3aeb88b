"""What pods write, streamed."""

from __future__ import annotations

import asyncio
from typing import Any


async def test_logs_of_all_replicas_are_told_and_followed(start_on_cluster: Any, namespace: Any, helpers: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        made = await deployer.created(replicas=2)

        async def logged(**more: Any) -> list[tuple[str, str]]:
            stream = deployer.deployments.StreamDeploymentLogs(helpers.LogsRequest(name=helpers.NAME, **more))
            return [(entry.replica, entry.text) async for message in stream for entry in message.entries]

        found = await logged(tail_lines=1000)
        assert {(replica.id, "loading") for replica in made.replicas} <= set(found)
        assert any(replica == "" and text.startswith("image ") for replica, text in found)

        heard: list[tuple[str, str]] = []
        stream = deployer.deployments.StreamDeploymentLogs(helpers.LogsRequest(name=helpers.NAME, follow=True))

        async def follow() -> None:
            async for message in stream:
                heard.extend((entry.replica, entry.text) for entry in message.entries)

        async with asyncio.timeout(150), asyncio.TaskGroup() as group:
            group.create_task(follow())
            for replica in made.replicas:
                await namespace.call(replica, "echo", text="one")
            await helpers.eventually(lambda: {(each.id, "echo one") for each in made.replicas} <= set(heard))
            await deployer.ended(await deployer.scale(3))
            three = await deployer.until(lambda found: not found.reconciling)
            (new,) = {each.id for each in three.replicas} - {each.id for each in made.replicas}
            await helpers.eventually(lambda: (new, "loading") in heard)
            await deployer.delete()
        assert sum(text == "echo one" for _, text in heard) == 2
