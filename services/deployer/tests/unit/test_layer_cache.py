from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from kea_deployer.builds.layer_cache import YOUNG_SECONDS, LayerCache, layer_key
from kea_oci.blob_store import BlobStore
from kea_oci.layer import Entry, Layer, write_layer

BYTES = 100_000
SIZE = BYTES + 10_240
"""A layer's bytes are more than its file's: a tar comes in records. Two of them have more than this."""
Make = Callable[[], Awaitable[Layer]]


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    return LayerCache(BlobStore(tmp_path), tmp_path / "layers")


def layer(cache: LayerCache, text: str) -> Layer:
    return write_layer(cache.store, [Entry("file", text.ljust(BYTES).encode())], compress=False, comment=text)


def maker(cache: LayerCache, text: str) -> Make:
    async def make() -> Layer:
        return layer(cache, text)

    return make


async def never() -> Layer:
    raise AssertionError


def note(cache: LayerCache, key: str) -> Path:
    return cache.store.root / "layers" / key


def blob(cache: LayerCache, made: Layer) -> Path:
    return cache.store.path(made.descriptor.digest)


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


async def test_a_layer_is_made_once_for_all_who_ask_and_for_those_after_a_restart(cache: LayerCache) -> None:
    made, asked, go = list[Layer](), asyncio.Event(), asyncio.Event()

    async def make() -> Layer:
        asked.set()
        await go.wait()
        made.append(layer(cache, "one"))
        return made[-1]

    async with asyncio.TaskGroup() as group:
        first = group.create_task(cache.get("1", make))
        await asked.wait()
        others = [group.create_task(cache.get("1", make)) for _ in range(3)]
        await cache.get("2", maker(cache, "another, which is not waited for"))
        go.set()
    assert len(made) == 1
    assert all(task.result() == made[0] for task in (first, *others))
    assert await LayerCache(cache.store, cache.store.root / "layers").get("1", never) == made[0]


@pytest.mark.parametrize("ending", [ValueError("no"), asyncio.CancelledError()])
async def test_whoever_waits_makes_it_where_the_first_fails(cache: LayerCache, ending: BaseException) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def fail() -> Layer:
        asked.set()
        await go.wait()
        raise ending

    first = asyncio.ensure_future(cache.get("1", fail))
    await asked.wait()
    second = asyncio.ensure_future(cache.get("1", maker(cache, "one")))
    go.set()
    with pytest.raises(type(ending)):
        await first
    assert (await second).comment == "one"


@pytest.mark.parametrize("what", ["blob lost", "blob cut", "note cut", "note of another kind", "note without digest"])
async def test_what_is_not_whole_is_made_again(cache: LayerCache, what: str) -> None:
    made = await cache.get("1", maker(cache, "one"))
    place, content = note(cache, "1"), note(cache, "1").read_bytes()
    if what == "blob lost":
        blob(cache, made).unlink()
    elif what == "blob cut":
        os.truncate(blob(cache, made), made.descriptor.size - 1)
    else:
        changed = {
            "note cut": content[:-1],
            "note of another kind": b"[]",
            "note without digest": content.replace(b"sha256:", b"md5:"),
        }
        place.write_bytes(changed[what])
    assert await cache.get("1", maker(cache, "one")) == made
    assert cache.store.read(made.descriptor.digest)  # what its digest says
    assert await cache.get("1", never) == made


async def test_tidy_keeps_the_layers_that_were_used_last(cache: LayerCache) -> None:
    made = {key: await cache.get(key, maker(cache, key)) for key in "abc"}
    for key, made_one in made.items():
        age(blob(cache, made_one), YOUNG_SECONDS + 60)
        age(note(cache, key), 1000 - ord(key))  # `a` is the oldest
    used = [note(cache, key).stat().st_mtime for key in "abc"]
    await cache.tidy(3 * SIZE)
    assert all(map(cache.store.has, (one.descriptor for one in made.values())))
    assert [note(cache, key).stat().st_mtime for key in "abc"] == used  # what tidy looks at is not used by that
    await cache.tidy(2 * SIZE)
    assert [cache.store.has(made[key].descriptor) for key in "abc"] == [False, True, True]
    assert not note(cache, "a").exists()

    await cache.get("b", never)
    age(blob(cache, made["b"]), YOUNG_SECONDS + 60)
    await cache.tidy(SIZE)
    assert [cache.store.has(made[key].descriptor) for key in "bc"] == [True, False]


async def test_a_blob_of_two_layers_counts_once_and_stays_for_either(cache: LayerCache) -> None:
    made = await cache.get("a", maker(cache, "same"))
    await cache.get("b", maker(cache, "same"))
    age(blob(cache, made), YOUNG_SECONDS + 60)
    await cache.tidy(SIZE)
    assert await cache.get("a", never) == await cache.get("b", never) == made


async def test_tidy_removes_old_blobs_without_a_name_and_leaves_those_a_build_may_need(cache: LayerCache) -> None:
    old, young = (cache.store.path(cache.store.put(content)) for content in (b"old", b"young"))
    age(old, YOUNG_SECONDS + 60)
    age(young, YOUNG_SECONDS - 60)
    used = await cache.get("1", maker(cache, "made long ago, and asked for by a build just now"))
    age(blob(cache, used), YOUNG_SECONDS + 60)
    await cache.get("1", never)
    with cache.store.draft() as draft:
        draft.write(b"being written")
        await cache.tidy(0)
    assert [path.exists() for path in (old, young, blob(cache, used))] == [False, True, True]
    assert not note(cache, "1").exists()


async def test_drafts_that_end_while_tidy_looks_are_no_problem(cache: LayerCache) -> None:
    cache.store.path(".draft-gone").symlink_to("nowhere")  # is listed, and is not there
    old = cache.store.path(cache.store.put(b"old"))
    age(old, YOUNG_SECONDS + 60)
    await cache.tidy(0)
    assert not old.exists()


def test_a_key_tells_all_parts_apart() -> None:
    keys = {
        layer_key(*parts) for parts in (("a", "b"), ("ab",), ("a", "b", True), ("a", "b", False), ("b", "a"), ("a",))
    }
    assert len(keys) == 6
    assert layer_key("a", {"b": 1}) == layer_key("a", {"b": 1})
    assert all(key.isalnum() for key in keys)
