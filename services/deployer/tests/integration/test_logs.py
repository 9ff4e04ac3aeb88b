"""What replicas write, streamed."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from kea.deployer.v1 import deployment_service_pb2

Request = deployment_service_pb2.StreamDeploymentLogsRequest


async def test_logs_tell_what_the_deployer_did_and_what_the_model_printed(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        (replica,) = (await deployer.created()).replicas

        async def logged(**more: Any) -> list[tuple[str, str]]:
            stream = deployer.deployments.StreamDeploymentLogs(Request(name=helpers.NAME, **more))
            return [(entry.replica, entry.text) async for message in stream for entry in message.entries]

        found = await logged()
        assert found[0] == ("", "laying out the environment")
        assert ("", f"starting replica {replica.id}") in found
        assert (replica.id, "loading") in found
        assert await logged(tail_lines=1) == found[-1:]
        for text in ("one", "zwei \N{SNOWMAN}"):
            await helpers.call(replica, "echo", text=text)
        async with asyncio.timeout(10):
            while (replica.id, "echo zwei \N{SNOWMAN}") not in await logged():
                pass
        assert (replica.id, "echo one") in await logged(tail_lines=2)
        gone = deployer.deployments.StreamDeploymentLogs(Request(name=f"{helpers.NAME}-2")).read()
        assert await helpers.refused(gone) == (grpc.StatusCode.NOT_FOUND, "DEPLOYMENT_NOT_FOUND")


async def test_following_begins_before_the_first_line_and_ends_with_the_deployment(
    start_deployer: Any, helpers: Any
) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        begun = await deployer.create()
        stream = deployer.deployments.StreamDeploymentLogs(Request(name=helpers.NAME, follow=True))
        found: list[str] = []

        async def follow() -> None:
            async for message in stream:
                found.extend(entry.text for entry in message.entries)

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(follow())
            await deployer.registry.begun.wait()
            assert not found
            deployer.registry.sending.set()
            await deployer.ended(begun)
            (replica,) = (await deployer.get()).replicas
            for text in ("one", "two"):
                await helpers.call(replica, "echo", text=text)
            await helpers.eventually(lambda: "echo two" in found)
            await deployer.delete()
        assert [text for text in found if text.startswith("echo")] == ["echo one", "echo two"]


async def test_lines_that_are_no_text_fit_into_messages(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put(load="os.write(1, (b'\\xff' * 20_000 + b'\\n') * 600)")
        await deployer.created()
        stream = deployer.deployments.StreamDeploymentLogs(Request(name=helpers.NAME, tail_lines=10_000))
        sizes = [message.ByteSize() async for message in stream]
        assert sum(sizes) > 1_000_000
        assert max(sizes) < 2 * 1024 * 1024
