from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.blob_store import BlobStore
from kea_oci.documents import LAYER_GZIP, LAYER_TAR
from kea_oci.errors import BadImageDocument
from kea_oci.layer import Entry, entries_of, write_layer

FILES = {"b.txt": b"b", "a/x.py": b"x = 1\n", "a/c/deep": b"", "a.txt": b"a" * 70_000}


def tree(directory: Path, names: list[str]) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
    (directory / "a" / "link").symlink_to("x.py")
    (directory / "folder-link").symlink_to("a")
    (directory / "b.txt").chmod(0o700)
    return directory


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_files_are_the_same_layer_whoever_made_them_and_when(tmp_path: Path, *, compress: bool) -> None:
    names = list(FILES)
    first = tree(tmp_path / "1", names)
    second = tree(tmp_path / "2", list(reversed(names)))
    os.utime(second / "b.txt", (1, 2))
    (second / "a.txt").chmod(0o600)
    store = BlobStore(tmp_path / "store")
    layers = [
        write_layer(store, entries_of(directory, "opt/model"), compress=compress) for directory in (first, second)
    ]
    assert layers[0] == layers[1]
    backwards = sorted(entries_of(first, "opt/model"), key=lambda entry: entry.name, reverse=True)
    assert write_layer(store, backwards, compress=compress) == layers[0]
    (second / "b.txt").chmod(0o600)
    assert write_layer(store, entries_of(second, "opt/model"), compress=compress) != layers[0]


@pytest.mark.parametrize("compress", [False, True])
def test_a_layer_is_a_tar_of_roots_files_with_all_directories(tmp_path: Path, *, compress: bool) -> None:
    store = BlobStore(tmp_path / "store")
    layer = write_layer(store, entries_of(tree(tmp_path / "t", list(FILES)), "opt/m"), compress=compress)
    path = store.path(layer.descriptor.digest)
    content = path.read_bytes()
    assert layer.descriptor.media_type == (LAYER_GZIP if compress else LAYER_TAR)
    assert layer.descriptor.size == len(content)
    assert layer.descriptor.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    plain = gzip.decompress(content) if compress else content
    assert layer.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    with tarfile.open(path) as tar:
        members = {member.name: member for member in tar.getmembers()}
        assert list(members) == [
            *("opt", "opt/m", "opt/m/a.txt", "opt/m/a", "opt/m/a/c", "opt/m/a/c/deep", "opt/m/a/link", "opt/m/a/x.py"),
            *("opt/m/b.txt", "opt/m/folder-link"),
        ]
        assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
        assert {name: member.mode for name, member in members.items() if member.isfile()} == {
            **dict.fromkeys(("opt/m/a.txt", "opt/m/a/c/deep", "opt/m/a/x.py"), 0o644),
            "opt/m/b.txt": 0o755,
        }
        assert (members["opt/m/a/link"].linkname, members["opt/m/folder-link"].linkname) == ("x.py", "a")
        assert {members[name].mode for name in ("opt", "opt/m/a")} == {0o755}
        found = tar.extractfile("opt/m/a.txt")
        assert found is not None
        assert found.read() == FILES["a.txt"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "", ".", "a//b", "./a"])
def test_a_name_that_leads_out_of_the_image_is_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(BadImageDocument, match="no path inside an image"):
        write_layer(store, [Entry("ok", b"1"), Entry(name, b"2")], compress=False)
    assert list(store.path("sha256:").iterdir()) == []


def test_a_name_may_be_there_once_and_not_be_both_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(BadImageDocument, match="a is there twice"):
        write_layer(BlobStore(tmp_path), [Entry("a", b"1"), Entry("a", b"2")], compress=False)
    with pytest.raises(BadImageDocument, match="a is a file and a directory"):
        write_layer(BlobStore(tmp_path), [Entry("a/b", b"1"), Entry("a", b"2")], compress=False)


def test_what_is_neither_file_nor_link_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(BadImageDocument, match="neither a file nor a symbolic link"):
        list(entries_of(tmp_path, "x"))


def test_a_directory_that_cannot_be_listed_is_told_and_no_empty_layer(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        list(entries_of(tmp_path / "missing", "x"))


NAMES = st.lists(st.text("abc.é ", min_size=1, max_size=120), min_size=1, max_size=4).map("/".join)


@given(files=st.dictionaries(NAMES, st.binary(max_size=2000), max_size=8))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    store = BlobStore(tmp_path_factory.mktemp("store"))
    try:
        layer = write_layer(store, [Entry(name, content) for name, content in files.items()], compress=True)
    except BadImageDocument:
        return
    with tarfile.open(store.path(layer.descriptor.digest)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        assert {name: file.read() if file else None for name, file in found.items()} == files
