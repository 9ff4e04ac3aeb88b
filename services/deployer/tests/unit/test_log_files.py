"""Logs as files: the last lines, and those to come, while files are begun anew."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kea_core.lifeline import MAX_LINE_BYTES, STAMP_LENGTH
from kea_deployer.domain.log_line import LogLine
from kea_deployer.provision.log_files import KEPT_FILES, OWN, READ_BYTES, LogFiles

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = "default.echo"


@pytest.fixture
def logs(tmp_path: Path) -> LogFiles:
    return LogFiles(tmp_path / "logs", max_bytes=1000)


def stamped(second: float, text: bytes) -> bytes:
    time = (NOON + timedelta(seconds=second)).isoformat(timespec="microseconds").removesuffix("+00:00")
    return f"{time}Z ".encode() + text + b"\n"


def write(path: Path, *lines: tuple[float, str]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(stamped(second, text.encode()) for second, text in lines))


def rotate(path: Path) -> None:
    path.replace(f"{path}.1")


async def texts(logs: LogFiles, lines: int = 100) -> list[str]:
    return [line.text for line in await logs.tail(KEY, lines)]


async def test_lines_of_all_files_are_merged_by_their_time(logs: LogFiles) -> None:
    write(logs.file(KEY, "a"), (1, "a1"), (4, "a4"))
    write(logs.file(KEY, "b"), (2, "b2"), (3, "b3"))
    write(logs.file(KEY, OWN), (0, "starting"))
    assert await texts(logs) == ["starting", "a1", "b2", "b3", "a4"]
    found = await logs.tail(KEY, 2)
    assert found == [
        LogLine(NOON + timedelta(seconds=3), "b", "b3"),
        LogLine(NOON + timedelta(seconds=4), "a", "a4"),
    ]
    assert (await logs.tail(KEY, 100))[0].replica == "", "the deployer's own"
    assert await logs.tail("default.none", 5) == []


async def test_what_came_before_a_file_was_begun_anew_is_told_too(logs: LogFiles) -> None:
    path = logs.file(KEY, "a")
    write(path, (1, "one"), (2, "two"))
    rotate(path)
    write(path, (3, "three"))
    assert await texts(logs) == ["one", "two", "three"]
    assert await texts(logs, 1) == ["three"]


async def test_only_line_feeds_end_lines(logs: LogFiles) -> None:
    odd = "10%\r50%\x0b\x0c\x1c\u2028\x85done"
    write(logs.file(KEY, "a"), (1, odd), (2, "dos\r"), (3, ""))
    assert await texts(logs) == [odd, "dos", ""]


async def test_what_is_cut_or_no_text_does_no_harm(logs: LogFiles) -> None:
    path = logs.file(KEY, "a")
    with path.open("wb") as file:
        file.write(b"2026-01-01\n" + stamped(1, b"\xff\xfe") + b"x" * 40 + b"\n" + stamped(2, b"good") + b"2026-01-0")
    assert await texts(logs) == ["\ufffd\ufffd", "good"]
    with path.open("ab") as file:
        file.write(stamped(3, b"glued"))
    assert await texts(logs) == ["\ufffd\ufffd", "good"]


async def test_only_the_end_of_a_large_file_is_read_and_begins_with_a_whole_line(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path, max_bytes=10 * READ_BYTES)
    write(logs.file(KEY, "a"), *((n, f"{n:0100}") for n in range(20_000)))
    found = await texts(logs, 100_000)
    assert 1 < len(found) < READ_BYTES / 100
    assert [int(text) for text in found] == list(range(20_000 - len(found), 20_000))


async def test_the_deployers_own_words_are_bounded_and_cut_by_line(logs: LogFiles, tmp_path: Path) -> None:
    logs.note(KEY, "one\ntwo \udc80\n" + "x" * (MAX_LINE_BYTES + 5))
    found = await logs.tail(KEY, 10)
    assert [len(line.text) for line in found] == [3, 5, MAX_LINE_BYTES]
    for _ in range(100):
        logs.note(KEY, "." * 100)
    own = tmp_path / "logs" / KEY / f"{OWN}.log"
    assert own.stat().st_size <= 1000 + 100 + STAMP_LENGTH + 1
    (tmp_path / "file").touch()
    LogFiles(tmp_path / "file", max_bytes=10).note(KEY, "there is no place for it, and nobody is harmed")


async def test_files_of_those_that_are_gone_are_kept_up_to_a_number(logs: LogFiles, tmp_path: Path) -> None:
    directory = tmp_path / "logs" / KEY
    for number in range(KEPT_FILES + 3):
        path = logs.file(KEY, f"{number:08x}")
        write(path, (number, "x"))
        rotate(path)
        write(path, (number, "y"))
        os.utime(path, (number, number))
    logs.note(KEY, "own")
    logs.prune(KEY, ["00000000"])
    left = sorted(path.name for path in directory.iterdir())
    assert len(left) == 2 * (KEPT_FILES + 1) + 1
    assert {"00000000.log", "00000000.log.1", f"{OWN}.log"} <= set(left)
    assert not {"00000001.log", "00000001.log.1", "00000002.log"} & set(left)
    logs.prune("default.none", [])
    logs.keep({"default.other"})
    assert not directory.exists()


class Reader:
    """Follows; `until` waits for a line, which is what these tests are about."""

    def __init__(self, stream: AsyncIterator[Any]) -> None:
        self._stream = stream
        self.found: list[str] = []

    async def until(self, done: Callable[[list[str]], bool]) -> list[str]:
        async with asyncio.timeout(10):
            while not done(self.found):
                self.found += [line.text for line in await anext(self._stream)]
        return self.found


async def always() -> bool:
    return True


async def test_following_gives_each_line_once_while_files_are_begun_anew(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path, max_bytes=1000)
    path = logs.file(KEY, "a")
    write(path, (0, "before"), (1, "0"))
    async with aclosing(logs.follow(KEY, 1, always)) as stream:  # pyright: ignore[reportArgumentType] - a generator
        reader = Reader(stream)
        assert await reader.until(lambda found: found == ["0"]) == ["0"]
        for number in range(1, 30):
            write(path, (number, str(number)))
            if number % 7 == 0:
                write(path, (number, "last of its file"))
                rotate(path)
            if number % 3 == 0:
                await reader.until(lambda found, number=number: str(number) in found)
        write(path, (30, "30"))
        found = await reader.until(lambda found: "30" in found)
    assert [text for text in found if text.isdecimal()] == [str(number) for number in range(31)]
    assert found.count("last of its file") == 4


async def test_a_reader_that_is_far_behind_loses_nothing_of_the_file_that_was_renamed(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path, max_bytes=10 * READ_BYTES)
    path = logs.file(KEY, "a")
    write(path, (0, "0"))
    async with aclosing(logs.follow(KEY, 1, always)) as stream:  # pyright: ignore[reportArgumentType] - a generator
        reader = Reader(stream)
        await reader.until(lambda found: found == ["0"])
        write(path, *((n, f"{n:0100}") for n in range(1, 30_000)))
        rotate(path)
        write(path, (30_000, "30000"))
        found = await reader.until(lambda found: found[-1] == "30000")
    assert [int(text) for text in found] == list(range(30_001))


async def test_following_begins_before_there_is_a_line_and_ends_when_the_deployment_is_gone(logs: LogFiles) -> None:
    there = True

    async def is_there() -> bool:
        return there

    reader = Reader(logs.follow(KEY, 10, is_there))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        first = group.create_task(reader.until(bool))
        await asyncio.sleep(0)
        write(logs.file(KEY, "a"), (1, "first"))
    assert first.result() == ["first"]
    write(logs.file(KEY, "b"), (2, "of another"))
    assert await reader.until(lambda found: len(found) == 2) == ["first", "of another"]
    logs.remove(KEY)
    there = False
    with pytest.raises(StopAsyncIteration):
        await reader.until(lambda found: len(found) > 2)


async def test_a_line_is_told_when_it_is_whole(logs: LogFiles) -> None:
    path = logs.file(KEY, "a")
    write(path, (1, "one"))
    block = stamped(2, b"two halves")
    with path.open("ab") as file:
        file.write(block[:-5])
    async with aclosing(logs.follow(KEY, 10, always)) as stream:  # pyright: ignore[reportArgumentType] - a generator
        reader = Reader(stream)
        assert await reader.until(bool) == ["one"]
        with path.open("ab") as file:
            file.write(block[-5:])
        assert await reader.until(lambda found: len(found) > 1) == ["one", "two halves"]
