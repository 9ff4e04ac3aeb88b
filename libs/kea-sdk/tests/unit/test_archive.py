from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from kea_sdk import PackagingError
from kea_sdk.archive import CHUNK_BYTES, Archive


def test_an_archive_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    (tmp_path / "b").chmod(0o700)
    os.utime(tmp_path / "b", (1, 1))
    contents = (
        {"x/a.bin": tmp_path / "a", "b": b"two"},
        {"b": b"two", "x/a.bin": tmp_path / "b"},
        {"b": b"two", "x/a.bin": b"one"},
    )
    digests: set[str] = set()
    for files in contents:
        with Archive(files) as archive:
            digests.add(archive.sha256)
    assert digests == {"c13bec4601b552e47e2b89e333936ea9b496270c229088a0b56ee5abb7d9bdd8"}


def test_entries_carry_no_owner_no_time_and_one_mode() -> None:
    long_name = f"{'d' * 120}/ünïcode.bin"
    with Archive({"b": b"two", "a": b"", long_name: b"x"}) as archive:
        content = b"".join(archive.chunks())
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames() == ["a", "b", long_name]
        for entry in tar:
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")
            assert entry.mode == 0o644
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert all(set(entry.pax_headers) <= {"path"} for entry in tar)


def test_size_and_digest_are_those_of_what_is_sent() -> None:
    with Archive({"a": b"x" * (2 * CHUNK_BYTES + 1)}) as archive:
        sent: list[int] = []
        content = b"".join(archive.chunks(sent.append))
        assert archive.size == len(content) == sent[-1]
        assert len(sent) == 3
        assert hashlib.sha256(content).hexdigest() == archive.sha256


def test_sending_anew_does_not_wait_for_who_still_reads() -> None:
    with Archive({"a": os.urandom(3 * CHUNK_BYTES)}) as archive:
        first, second = archive.chunks(), archive.chunks()
        begun = [next(first), next(second), next(first)]
        assert hashlib.sha256(begun[1] + b"".join(second)).hexdigest() == archive.sha256
        assert hashlib.sha256(begun[0] + begun[2] + b"".join(first)).hexdigest() == archive.sha256


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"gone\.bin cannot be read: No such file or directory$"):
        Archive({"gone.bin": tmp_path / "gone.bin"})
