from __future__ import annotations

import grpc
import pytest
from kea_gateway.portal.catalog import CatalogUnavailableError
from kea_gateway.portal.memory import Memory


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "details")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    def __init__(self) -> None:
        self.asked = 0
        self.error: grpc.StatusCode | None = None

    async def __call__(self) -> int:
        self.asked += 1
        if self.error is not None:
            raise failure(self.error)
        return self.asked


async def test_an_answer_is_kept_while_it_is_fresh() -> None:
    clock, source = Clock(), Source()
    memory: Memory[int] = Memory(1.0, clock=clock)
    assert [await memory.get("a", source), await memory.get("a", source)] == [1, 1]
    clock.now = 1.0
    assert await memory.get("a", source) == 2


async def test_the_last_answer_stands_while_its_source_is_away() -> None:
    source = Source()
    memory: Memory[int] = Memory(0.0)
    assert await memory.get("a", source) == 1
    source.error = grpc.StatusCode.UNAVAILABLE
    assert await memory.get("a", source) == 1


async def test_what_is_gone_is_forgotten() -> None:
    source = Source()
    memory: Memory[int] = Memory(0.0)
    await memory.get("a", source)
    source.error = grpc.StatusCode.NOT_FOUND
    assert await memory.get("a", source) is None
    source.error = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(CatalogUnavailableError, match="a is not known: UNAVAILABLE"):
        await memory.get("a", source)


async def test_a_refusal_is_not_covered_up() -> None:
    source = Source()
    memory: Memory[int] = Memory(0.0)
    await memory.get("a", source)
    source.error = grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(CatalogUnavailableError):
        await memory.get("a", source)


async def test_the_least_recently_used_is_forgotten_first() -> None:
    source = Source()
    memory: Memory[int] = Memory(9.0, 2)
    for key in ("a", "b", "a", "c"):
        await memory.get(key, source)
    assert await memory.get("a", source) == 1
    assert await memory.get("b", source) == 4
