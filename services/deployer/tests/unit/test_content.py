"""Directories named by content: whole or not at all."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from kea_deployer.provision.content import DRAFT, Directories


@pytest.fixture
async def directories(tmp_path: Path) -> Directories:
    made = Directories(tmp_path / "root")
    await made.open()
    return made


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


async def fill(directory: Path) -> None:
    (directory / "file").write_text("content")


async def test_callers_at_the_same_time_share_one_making(directories: Directories, tmp_path: Path) -> None:
    made = 0
    together = asyncio.Barrier(2)

    async def make(directory: Path) -> None:
        nonlocal made
        made += 1
        await together.wait()
        await fill(directory)

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(directories.get("a" * 64, make)) for _ in range(3)]
        other = group.create_task(directories.get("b", make))
    assert {task.result() for task in callers} == {tmp_path / "root" / ("a" * 64)}
    assert (other.result() / "file").read_text() == "content"
    assert made == 2, "one for each name"


async def test_a_making_that_fails_leaves_nothing_and_the_next_caller_tries_again(
    directories: Directories, tmp_path: Path
) -> None:
    async def fail(directory: Path) -> None:
        await fill(directory)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await directories.get("a", fail)
    assert names(tmp_path / "root") == []
    await directories.get("a", fill)
    assert names(tmp_path / "root") == ["a"]


async def test_a_making_that_is_cancelled_leaves_nothing_and_who_waits_goes_on(
    directories: Directories, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    async def never(directory: Path) -> None:
        await fill(directory)
        begun.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        first = group.create_task(directories.get("a", never))
        await begun.wait()
        second = group.create_task(directories.get("a", fill))
        await asyncio.sleep(0)
        first.cancel()
    assert (second.result() / "file").exists()
    assert names(tmp_path / "root") == ["a"]


async def test_what_a_killed_process_had_begun_is_removed(directories: Directories, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / f"{DRAFT}a").mkdir()
    (root / f"{DRAFT}a.tar").touch()
    (root / "b").mkdir()
    await Directories(root).open()
    assert names(root) == ["b"]


async def test_the_needed_and_the_last_used_are_kept(directories: Directories, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for age, name in enumerate("abcde"):
        (root / name).mkdir()
        os.utime(root / name, (1000 - age, 1000 - age))
    await directories.keep({"e"}, spare=2)
    assert names(root) == ["a", "b", "e"]
    await directories.get("b", fill)  # used again: younger than a
    await directories.keep(set(), spare=0)
    assert names(root) == ["b"], "given out since, by somebody who may not be known to need it yet"
    await directories.keep(set(), spare=0)
    assert names(root) == []


async def test_what_is_asked_for_while_others_are_removed_stays_whole(directories: Directories, tmp_path: Path) -> None:
    for name in "abcdefgh":
        await directories.get(name, fill)
    await directories.keep(set(), spare=100)  # all of them have been given out; from now on they have not
    async with asyncio.TaskGroup() as group:
        group.create_task(directories.keep(set(), spare=0))
        found = [group.create_task(directories.get(name, fill)) for name in "abcdefgh"]
    for task in found:
        assert (task.result() / "file").read_text() == "content"
