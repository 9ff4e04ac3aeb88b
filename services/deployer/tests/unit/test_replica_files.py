from __future__ import annotations

from pathlib import Path

import pytest
from kea_deployer.local.replica_files import ReplicaFiles, Report, sweep


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"state": "READY"}', Report("READY", "", "")),
        (b'{"state": "FAILED", "reason": "R", "message": "m"}', Report("FAILED", "R", "m")),
        (b'{"state": 1, "message": null}', Report("1", "", "None")),
        (b"", None),
        (b"[1]", None),
        (b"[" * 60_000, None),
        (b"\xff", None),
        (b'{"state": "' + b"x" * 70_000 + b'"}', None),
    ],
)
def test_whatever_a_replica_says_of_itself_harms_nobody(
    tmp_path: Path, content: bytes, expected: Report | None
) -> None:
    files = ReplicaFiles.of("0badcafe", tmp_path, tmp_path)
    assert files.report() is None
    files.ready.write_bytes(content)
    assert files.report() == expected


def test_a_new_process_finds_nothing_of_the_one_before_but_what_it_is_told(tmp_path: Path) -> None:
    files = ReplicaFiles.of("0badcafe", tmp_path, tmp_path)
    for path in (files.http_socket, files.grpc_socket, files.spec, files.ready):
        path.touch()
    files.clear()
    assert list(tmp_path.iterdir()) == [files.spec]
    files.remove()
    files.remove()
    assert list(tmp_path.iterdir()) == []


def test_files_of_unknown_replicas_are_removed_and_no_others(tmp_path: Path) -> None:
    unknown = ["0badcafe.http", "0badcafe.ready.json", ".0badcafe.ready.json.77"]
    others = ["0000cafe.http", "notes.txt", "0badcafe", "abcdefg.http"]
    for name in [*unknown, *others]:
        (tmp_path / name).touch()
    sweep(tmp_path, {"0000cafe"})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
