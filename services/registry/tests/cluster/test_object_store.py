"""Artifacts on a real S3 API. The program that serves it is built from Go modules, with those of the cluster's node."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from kea.registry.v1 import model_version_service_pb2
from kea_core.testing.object_store import object_store
from s3fs import S3FileSystem

pytestmark = [pytest.mark.cluster, pytest.mark.own_node]

DELETE = model_version_service_pb2.DeleteModelVersionRequest
URL = "s3://models/kea"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A bucket's directory; the registry finds its server as it does in a pod, by its environment."""
    directory = tmp_path / "objects"
    directory.mkdir()
    S3FileSystem.clear_instance_cache()  # one that knows another test's server
    with object_store(directory) as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        yield store.make_bucket("models")


def objects(bucket: Path) -> set[str]:
    return {str(path.relative_to(bucket / "kea")) for path in (bucket / "kea").rglob("*") if path.is_file()}


async def test_versions_are_kept_shared_and_removed(start_registry: Any, helpers: Any, bucket: Path) -> None:
    large = helpers.pack({"model.joblib": secrets.token_bytes(12_000_000)})  # more than one part
    async with start_registry(artifacts_url=URL) as registry:
        made = await registry.upload(large)
        again = await registry.upload(large)
        digest = hashlib.sha256(large).hexdigest()
        assert objects(bucket) == {f"{digest[:2]}/{digest}"}
        assert await registry.download(made.name) == large
    async with start_registry(artifacts_url=URL) as registry:
        assert await registry.download(again.name) == large
        for version in (made, again):
            await registry.versions.DeleteModelVersion(DELETE(name=version.name))
        assert objects(bucket) == set()


async def test_parallel_uploads_do_not_mix(start_registry: Any, helpers: Any, bucket: Path) -> None:
    archives = [helpers.pack({"model.joblib": secrets.token_bytes(300_000)}) for _ in range(8)]
    async with start_registry(artifacts_url=URL) as registry:
        made = await asyncio.gather(*(registry.upload(archive) for archive in archives))
        found = await asyncio.gather(*(registry.download(version.name) for version in made))
    assert sorted(found) == sorted(archives)
    assert len(objects(bucket)) == len(archives)


async def test_what_is_refused_or_broken_off_leaves_nothing(start_registry: Any, helpers: Any, bucket: Path) -> None:
    async with start_registry(artifacts_url=URL) as registry:
        wrong = registry.upload(changes={"sha256": "0" * 64})
        assert (await helpers.refused(wrong))[0] is grpc.StatusCode.INVALID_ARGUMENT
        registry.clock.offset += timedelta(days=2)
        await helpers.eventually(lambda: not objects(bucket))


async def test_a_bucket_that_is_missing_is_made(start_registry: Any, helpers: Any, bucket: Path) -> None:
    async with start_registry(artifacts_url="s3://others/kea") as registry:
        assert await registry.download((await registry.upload()).name) == helpers.ARCHIVE
    assert any((bucket.parent / "others" / "kea").rglob("*"))
