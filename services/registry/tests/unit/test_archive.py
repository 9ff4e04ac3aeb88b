from __future__ import annotations

import io
import struct
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_registry.domain import archive
from kea_registry.domain.archive import check_archive, read_python_sources
from kea_registry.domain.errors import ArchiveInvalid


def tar_of(*entries: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return out.getvalue()


def file(name: str, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def check(content: bytes, entrypoint: str = "m.onnx") -> None:
    check_archive(io.BytesIO(content), entrypoint)


def test_files_and_directories_pass() -> None:
    folder = tarfile.TarInfo("data")
    folder.type = tarfile.DIRTYPE
    check(tar_of(file("m.onnx", 700), folder, file("data/x" * 30), file("ünï.txt")))


@pytest.mark.parametrize("name", ["", "/m", "a//b", "./m", "a/../b", "..", "c:m", "a\nb"])
def test_paths_that_could_leave_the_directory_are_refused(name: str) -> None:
    with pytest.raises(ArchiveInvalid, match=r"plain relative path|not an uncompressed tar"):
        check(tar_of(file("m.onnx"), file(name)))


def test_a_path_twice_is_refused() -> None:
    for entries in ((file("m.onnx"), file("m.onnx")), (file("m.onnx/a"), file("m.onnx"))):
        with pytest.raises(ArchiveInvalid, match="twice"):
            check(tar_of(*entries))


def test_compressed_tars_are_refused() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.addfile(file("m.onnx"))
    with pytest.raises(ArchiveInvalid, match="not an uncompressed tar"):
        check(out.getvalue())


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 3)
    with pytest.raises(ArchiveInvalid, match="more than 3 entries"):
        check(tar_of(*(file(f"f{n}") for n in range(4))))


def test_a_huge_extended_header_is_refused_unread() -> None:
    entry = file("pax")
    entry.type = tarfile.XHDTYPE
    header = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"77777777777\0"  # 8 GiB, it says
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(ArchiveInvalid, match="header of"):
        check(bytes(header) + b"\0" * 4096)


def test_a_negative_size_does_not_lead_in_circles() -> None:
    entry = file("m.onnx")
    header = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\xff" + struct.pack(">q", -1024).rjust(11, b"\xff")
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(ArchiveInvalid):
        check(bytes(header) + b"\0" * 4096)


@given(st.binary(max_size=2000), st.integers(0, 1999))
def test_whatever_arrives_is_refused_or_passes_but_never_breaks(junk: bytes, at: int) -> None:
    good = tar_of(file("m.onnx", 100), file("b", 10))
    mutated = good[:at] + junk[:20] + good[at + len(junk[:20]) :]
    for content in (junk, mutated):
        try:
            check(content)
        except ArchiveInvalid:
            continue


def test_sources_are_read_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar_of(file("a.py", 10), file("big.py", 60), file("b.txt", 3), file("c.py", 10), file("d.py", 10))
    monkeypatch.setattr(archive, "MAX_SOURCE_BYTES", 50)
    assert list(read_python_sources(io.BytesIO(content))) == ["a.py", "c.py", "d.py"]
    monkeypatch.setattr(archive, "MAX_SOURCES_BYTES", 20)
    assert list(read_python_sources(io.BytesIO(content))) == ["a.py", "c.py"]
    monkeypatch.setattr(archive, "MAX_SOURCES", 1)
    assert list(read_python_sources(io.BytesIO(content))) == ["a.py"]


def test_sources_that_are_no_text_are_left_out() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(file("a.py", 2), io.BytesIO(b"\xff\xfe"))
    assert read_python_sources(io.BytesIO(out.getvalue())) == {}
