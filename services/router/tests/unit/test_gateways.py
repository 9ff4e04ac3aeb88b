"""Gateways are counted by what a name stands for. Names that stand for several addresses need a name server of one's
own, so the C library's answer is made up."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from kea_router import gateways
from kea_router.gateways import count_addresses, follow_gateways

ADDRESS = "kea-gateway-members:8080"


def found(*addresses: str) -> list[tuple[Any, ...]]:
    """Returns what the C library tells of these."""
    kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
    return [(kind, socket.SOCK_STREAM, 6, "", (one, 8080)) for kind, one in zip(kinds, addresses, strict=True)]


@pytest.mark.parametrize(
    ("addresses", "count"),
    [
        (("10.0.0.1",), 1),
        (("10.0.0.1", "10.0.0.2", "10.0.0.2"), 2),
        (("fd00::1", "fd00::2", "fd00::3"), 3),
        (("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"), 2),  # the same two, as Envoy sees them
    ],
)
async def test_each_address_is_a_gateway(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], count: int
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(*addresses))
    assert await count_addresses(ADDRESS) == count


async def test_an_address_is_asked_for_by_the_real_library_too() -> None:
    assert await count_addresses("127.0.0.1:8080") == 1
    assert await count_addresses("[::1]:8080") == 1


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_NODATA])
async def test_a_name_that_stands_for_nothing_is_of_no_gateway(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", raising(code))
    assert await count_addresses(ADDRESS) == 0


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["10.0.0.1", None, "10.0.0.1 10.0.0.2"], [1, 2]),  # the last number holds
        ([None, None, "10.0.0.1"], [None, None, 1]),  # it is told that none is known
    ],
)
async def test_while_no_name_server_answers_the_last_number_holds_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answers: list[str | None],
    expected: list[int | None],
) -> None:
    told: asyncio.Queue[int | None] = asyncio.Queue()
    left = iter(answers)

    def answer(*_: Any, **__: Any) -> Any:
        addresses = next(left, answers[-1])
        return raising(socket.EAI_AGAIN)() if addresses is None else found(*addresses.split())

    monkeypatch.setattr(gateways, "REFRESH_SECONDS", 0.001)
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow_gateways(ADDRESS, told.put_nowait))
        assert [await told.get() for _ in expected] == expected
        following.cancel()
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == answers.count(None)
    assert all(ADDRESS in str(vars(record)["address"]) for record in warnings)


def raising(code: int) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(code, "made up")

    return fail
