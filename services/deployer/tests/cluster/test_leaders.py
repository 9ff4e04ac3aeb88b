"""Several deployers on one cluster: all serve the API, one acts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any


async def test_one_acts_for_all_and_the_next_goes_on(
    start_on_cluster: Any, namespace: Any, settings: Any, tmp_path: Path
) -> None:
    enough = asyncio.Event()

    async def holder() -> str:
        lease = json.loads(await namespace("get", "lease", "kea-deployer", "--output", "json"))
        return lease["spec"].get("holderIdentity", "")

    async def first() -> None:
        async with start_on_cluster():
            await enough.wait()

    other = {"address": f"{settings.address}2", "data_directory": tmp_path / "second"}
    async with asyncio.TaskGroup() as group:
        leading = group.create_task(first())
        await namespace("wait", "lease/kea-deployer", "--for=create", "--timeout=60s")
        leader = await holder()
        async with start_on_cluster(**other) as second:
            second.registry.put()
            (replica,) = (await second.created()).replicas  # by the API of the one that does not act
            assert await holder() == leader
            assert not list((tmp_path / "second").glob("logs/*"))
            enough.set()
            await leading
            assert not (await second.ended(await second.scale(2))).HasField("error")
            assert await holder() not in ("", leader)
            assert replica.id in {each.id for each in (await second.get()).replicas}
