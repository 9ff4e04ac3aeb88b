from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.blob_store import BlobStore
from kea_oci.digest import digest_of, is_digest
from kea_oci.documents import Descriptor
from kea_oci.errors import BlobDamaged

WRITER = """
import sys
from pathlib import Path
from kea_oci.blob_store import BlobStore
with BlobStore(Path(sys.argv[1])).draft() as draft:
    draft.write(b"half")
    draft._file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def described(content: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", digest_of(content), len(content))


def files(store: BlobStore) -> list[str]:
    return sorted(path.name for path in store.path("sha256:").iterdir())


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "a" / "layout")


@given(content=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=4).map(sorted))
def test_what_is_written_in_parts_is_there_by_its_digest(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int]
) -> None:
    store = BlobStore(tmp_path_factory.mktemp("store"))
    with store.draft() as draft:
        for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            assert draft.write(content[begin:end]) == len(content[begin:end])
    assert (draft.digest, draft.size) == (digest_of(content), len(content))
    assert store.read(draft.digest) == content
    assert store.has(described(content))
    assert store.put(content) == draft.digest
    assert files(store) == [draft.digest.removeprefix("sha256:")]


def test_blobs_are_where_an_image_layout_has_them(store: BlobStore) -> None:
    digest = store.put(b"abc")
    assert store.path(digest) == store.root / "blobs" / "sha256" / digest.removeprefix("sha256:")
    assert BlobStore(store.root).read(digest) == b"abc"


def test_a_draft_is_not_seen_before_it_is_done(store: BlobStore) -> None:
    with store.draft(digest_of(b"abc")) as draft:
        draft.write(b"abc")
        assert not store.has(described(b"abc"))
        assert not store.path(draft.digest).exists()
        assert [name for name in files(store) if is_digest(f"sha256:{name}")] == []
    assert store.has(described(b"abc"))


def test_a_draft_that_is_not_what_was_expected_is_not_kept(store: BlobStore) -> None:
    with pytest.raises(BlobDamaged) as caught, store.draft(digest_of(b"abc")) as draft:
        draft.write(b"axy")
    assert caught.value.metadata == {"expected": digest_of(b"abc"), "found": digest_of(b"axy")}
    assert files(store) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_a_draft_that_an_error_ends_is_not_kept(store: BlobStore, error: type[BaseException]) -> None:
    def write() -> None:
        with store.draft() as draft:
            draft.write(b"abc")
            raise error

    with pytest.raises(error):
        write()
    assert files(store) == []


def test_a_draft_that_fails_leaves_what_was_there(store: BlobStore) -> None:
    digest = store.put(b"abc")
    with pytest.raises(BlobDamaged), store.draft(digest) as draft:
        draft.write(b"x")
    assert store.read(digest) == b"abc"


async def test_a_writer_that_is_killed_leaves_nothing_to_be_seen(store: BlobStore) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(store.root)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"written\n"
    process.kill()
    await process.communicate()
    assert [name for name in files(store) if is_digest(f"sha256:{name}")] == []
    assert not store.has(described(b"half"))
    store.put(b"half")
    assert store.read(digest_of(b"half")) == b"half"


def test_many_writers_of_the_same_and_of_other_blobs_do_not_disturb_one_another(store: BlobStore) -> None:
    contents = [bytes([number % 4]) * 100_000 for number in range(32)]
    with ThreadPoolExecutor(8) as threads:
        digests = list(threads.map(store.put, contents))
    assert digests == [digest_of(content) for content in contents]
    assert {digest: store.read(digest) for digest in digests} == {digest_of(content): content for content in contents}
    assert files(store) == sorted({digest.removeprefix("sha256:") for digest in digests})


def test_a_blob_that_was_cut_or_changed_is_noticed(store: BlobStore) -> None:
    digest = store.put(b"abc")
    store.path(digest).write_bytes(b"ab")
    assert not store.has(described(b"abc"))
    store.path(digest).write_bytes(b"axy")
    with pytest.raises(BlobDamaged):
        store.read(digest)
    store.put(b"abc")
    assert store.read(digest) == b"abc"
    assert not store.has(described(b"never"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "sha256:", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "0" * 64 + "\n"),
        *("sha256:" + "A" * 64, "sha512:" + "0" * 128, "0" * 64, "sha256:../../etc/passwd"),
    ],
)
def test_what_is_no_digest(text: str) -> None:
    assert not is_digest(text)
    assert is_digest(digest_of(text.encode()))
