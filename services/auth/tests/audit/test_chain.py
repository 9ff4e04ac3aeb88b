from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from audit_batches import START, Clock, OpenChain, batch_of, received, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kea.otlp.v1 import logs_pb2
from kea_auth.audit import chain as chain_module
from kea_auth.audit.chain import Chain, ChainTakenError, Limits
from kea_auth.audit.record import NOTHING
from kea_auth.audit.search import Log
from kea_auth.audit.segment import read_record, segment_numbers, segment_path, walk
from kea_auth.audit.verification import MISSING, NOT_FOLLOWING, Report, verify

MANY = {"segment_bytes": 2000}


def write(chain: Chain, clock: Clock, count: int, *, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        clock.pass_seconds(1)
        content = batch_of(request(clock.now, user_id=f"users/{number}"))
        chain.write([received(content, clock.now)])


def checked(chain: Chain) -> Report:
    return verify(
        Log(chain.directory.parent, lambda: (chain.directory.name, chain.position)), None, sleep=lambda _: None
    )


def problems(chain: Chain) -> list[tuple[int, str, int]]:
    return [(found.walk.number, found.problem, found.offset) for found in checked(chain).segments if found.problem]


def contents(chain: Chain) -> list[bytes]:
    found: list[bytes] = []
    for number in segment_numbers(chain.directory):
        with segment_path(chain.directory, number).open("rb") as file:
            size, offset = file.seek(0, 2), 0
            while offset < size:
                record = read_record(file, offset, size)
                found += [record.content()] if record.header.events and record.header.kind == 2 else []
                offset = record.end
    return found


def test_batches_are_kept_as_they_were_received(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain()
    small, large = batch_of(request(START, a="b")), batch_of(*[request(START + n, a="b" * 100) for n in range(100)])
    chain.write([received(small, START), received(large, START)])
    assert contents(chain) == [small, large]
    assert segment_path(chain.directory, 1).stat().st_size < len(large)


def test_a_chain_goes_on_over_segments_and_over_restarts(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain(**MANY)
    write(chain, clock, 30)
    chain.close()
    chain = open_chain(**MANY)
    write(chain, clock, 30, begin=30)
    report = checked(chain)
    assert len(report.segments) > 3
    assert [found.problem for found in report.segments] == [""] * len(report.segments)
    assert sum(found.walk.events for found in report.segments) == 60
    assert report.segments[0].walk.previous == NOTHING


def test_two_processes_never_write_one_chain(open_chain: OpenChain, directory: Path, clock: Clock) -> None:
    first = open_chain()
    with pytest.raises(ChainTakenError):
        open_chain()
    second = chain_module.open_chain(directory, Limits(), clock)
    assert second.directory.name == "001"
    first.close()
    third = chain_module.open_chain(directory, Limits(), clock)
    assert third.directory.name == "000"
    second.close()
    third.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(min_value=0, max_value=1, exclude_max=True), change=st.integers(min_value=1, max_value=255))
def test_any_byte_that_is_changed_is_found_where_it_is(
    tmp_path_factory: pytest.TempPathFactory, where: float, change: int
) -> None:
    clock = Clock()
    chain = Chain(tmp_path_factory.mktemp("audit") / "000", Limits(**MANY), clock)
    write(chain, clock, 40)
    assert problems(chain) == []
    files = [segment_path(chain.directory, number) for number in segment_numbers(chain.directory)]
    place = int(where * sum(file.stat().st_size for file in files))
    for number, file in enumerate(files, 1):
        size = file.stat().st_size
        if place < size:
            content = bytearray(file.read_bytes())
            content[place] ^= change
            file.write_bytes(content)
            found = problems(chain)
            assert found, "it was not noticed"
            segment, _, offset = found[0]
            assert segment == number
            assert offset <= place < offset + 2000
            break
        place -= size
    chain.close()


def test_segments_that_are_missing_swapped_or_cut_off_are_found(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain(**MANY)
    write(chain, clock, 60)
    second, third = segment_path(chain.directory, 2), segment_path(chain.directory, 3)
    kept = second.read_bytes()

    second.unlink()
    assert problems(chain) == [(3, MISSING, 0)]
    second.write_bytes(third.read_bytes())
    assert problems(chain)[0][:2] == (2, "it is segment 3 by what it says")
    second.write_bytes(kept[:-10])
    assert problems(chain)[0][0] == 2
    second.write_bytes(kept)
    assert problems(chain) == []

    first = segment_path(chain.directory, 1)
    first.unlink()
    assert problems(chain) == [(2, MISSING, 0)]


def test_a_segment_that_was_written_anew_does_not_follow(open_chain: OpenChain, clock: Clock, tmp_path: Path) -> None:
    chain = open_chain(**MANY)
    write(chain, clock, 60)
    forged_clock = Clock()
    forger = Chain(tmp_path / "forged" / "000", Limits(**MANY), forged_clock)
    write(forger, forged_clock, 60, begin=1000)
    segment_path(chain.directory, 2).write_bytes(segment_path(forger.directory, 2).read_bytes())
    assert problems(chain)[0] == (2, NOT_FOLLOWING, 0)


@pytest.mark.parametrize("torn", [1, 20, 40, 70])
def test_an_unfinished_record_is_cut_off_and_nothing_else(open_chain: OpenChain, clock: Clock, torn: int) -> None:
    chain = open_chain()
    write(chain, clock, 5)
    path, before = segment_path(chain.directory, 1), chain.position.end
    write(chain, clock, 1, begin=5)
    chain.close()
    os.truncate(path, before + torn)
    chain = open_chain()
    assert path.stat().st_size == before
    write(chain, clock, 1, begin=6)
    assert problems(chain) == []


def test_zeros_as_a_power_cut_leaves_them_are_cut_off(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain()
    write(chain, clock, 5)
    path = segment_path(chain.directory, 1)
    whole = path.read_bytes()
    chain.close()
    path.write_bytes(whole + bytes(4096))
    open_chain()
    assert path.read_bytes() == whole


def test_damage_is_left_for_all_to_see_and_the_chain_goes_on_behind_it(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain()
    write(chain, clock, 5)
    chain.close()
    path = segment_path(chain.directory, 1)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    chain = open_chain()
    write(chain, clock, 5, begin=5)
    assert path.read_bytes() == content
    assert [number for number, _, _ in problems(chain)] == [1]
    assert walk(segment_path(chain.directory, 2)).after == {
        "segment": 1,
        "offset": walk(path).end,
        "problem": "a record is not what was written",
    }


def test_segments_go_when_they_are_old_and_the_chain_says_so(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain(**MANY, retention_nanoseconds=30 * 10**9)
    write(chain, clock, 60)
    before = segment_numbers(chain.directory)
    retired = chain.upkeep()
    kept = segment_numbers(chain.directory)
    assert retired.segments == len(before) - len(kept) > 1
    assert retired.early_events == 0
    assert problems(chain) == []
    assert sum(found.walk.events for found in checked(chain).segments) >= 30

    segment_path(chain.directory, kept[0]).unlink()
    assert problems(chain)[0] == (kept[1], MISSING, 0)


def test_what_has_no_room_goes_early_and_is_counted(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain(**MANY, max_bytes=6000)
    write(chain, clock, 60)
    retired = chain.upkeep()
    assert retired.early_events > 0
    assert sum(path.stat().st_size for path in chain.directory.glob("*.audit")) < 6500
    assert chain.upkeep().segments == 0
    assert problems(chain) == []


def test_a_segment_is_closed_when_it_is_old(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain(segment_nanoseconds=60 * 10**9)
    chain.upkeep()
    write(chain, clock, 1)
    clock.pass_seconds(61)
    chain.upkeep()
    clock.pass_seconds(61)
    chain.upkeep()  # nothing is in the new one
    assert segment_numbers(chain.directory) == [1, 2]


def test_a_segment_that_others_delete_is_missed(open_chain: OpenChain, clock: Clock) -> None:
    chain = open_chain()
    write(chain, clock, 5)
    segment_path(chain.directory, 1).unlink()
    assert [number for number, _, _ in problems(chain)] == [1]
    chain.upkeep()
    write(chain, clock, 5, begin=5)
    assert problems(chain)[0] == (2, MISSING, 0)


def test_a_disk_that_is_full_loses_nothing_that_was_acknowledged(
    open_chain: OpenChain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = open_chain()
    write(chain, clock, 5)
    real = os.write
    left = 50

    def full(file: int, content: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(28, "No space left on device")
        done = real(file, bytes(content)[:left])
        left -= done
        return done

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            write(chain, clock, 1, begin=5)
    write(chain, clock, 5, begin=6)
    assert problems(chain) == []
    assert len(contents(chain)) == 10


WRITER = """
import sys, time
from pathlib import Path
from kea_auth.audit.chain import Batch, Chain, Limits
from kea_auth.audit.otlp_scan import scan
from kea.otlp.v1 import logs_pb2
chain = Chain(Path(sys.argv[1]), Limits(segment_bytes=20_000), time.time_ns)
number = int(sys.argv[2])
while True:
    data = logs_pb2.LogsData()
    record = data.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.attributes.add(key="number").value.string_value = str(number)
    content = data.SerializeToString()
    chain.write([Batch(content, scan(content), time.time_ns())])
    print(number, flush=True)
    number += 1
"""


def test_a_writer_that_is_killed_loses_nothing_that_it_has_acknowledged(directory: Path) -> None:
    random = Random(7)  # noqa: S311 - when to kill
    acknowledged = 0
    for _ in range(8):
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", WRITER, str(directory / "000"), str(acknowledged)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline()) + 1
        time.sleep(random.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        process.wait()
        process.stdout.close()
        acknowledged = max([acknowledged, *(int(line) + 1 for line in lines[:-1] if line)])
    chain = Chain(directory / "000", Limits(), time.time_ns)
    assert problems(chain) == []
    chain.close()
    kept = {
        int(record.attributes[0].value.string_value)
        for content in contents(chain)
        for record in logs_pb2.LogsData.FromString(content).resource_logs[0].scope_logs[0].log_records
    }
    assert acknowledged > 20
    assert kept >= set(range(acknowledged))
