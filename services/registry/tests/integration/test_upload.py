from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec.core
import grpc
import pytest
from kea.registry.v1 import model_service_pb2, model_version_pb2, model_version_service_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
HEADER = model_version_service_pb2.UploadModelVersionHeader
GET = model_version_service_pb2.GetModelVersionRequest
DELETE = model_version_service_pb2.DeleteModelVersionRequest
SOURCE = b'''
class Model:
    """A model."""

    def predict(self, x: float) -> float:
        """Doubles.

        Args:
            x: a number.
        """
        return 2 * x
'''


async def test_a_version_is_stored_whole_and_its_model_made(start_registry: Any, helpers: Any) -> None:
    async with start_registry("users/alice") as registry:
        made = await registry.upload()
        digest = hashlib.sha256(helpers.ARCHIVE).hexdigest()
        assert made.name == f"{helpers.MODEL}/versions/1"
        assert (made.number, made.creator, made.sha256) == (1, "users/alice", digest)
        assert made.size_bytes == len(helpers.ARCHIVE)
        assert list(made.requirements) == ["scikit-learn>=1.6"]
        assert await registry.versions.GetModelVersion(GET(name=made.name)) == made
        assert await registry.download(made.name) == helpers.ARCHIVE
        assert registry.objects() == [f"{digest[:2]}/{digest}"]
        model = await registry.models.GetModel(model_service_pb2.GetModelRequest(name=helpers.MODEL))
        assert (model.latest_version, model.display_name) == (1, "iris")


async def test_parallel_uploads_get_each_number_once(start_registry: Any, helpers: Any) -> None:
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(start_registry()) for _ in range(2)]
        archives = [helpers.pack({"model.joblib": str(n).encode()}) for n in range(20)]
        made = await asyncio.gather(*(both[n % 2].upload(archive) for n, archive in enumerate(archives)))
        assert sorted(version.number for version in made) == list(range(1, 21))
        assert len(both[0].objects()) == 20


async def test_the_same_content_is_kept_once_and_until_nobody_needs_it(start_registry: Any) -> None:
    async with start_registry() as registry:
        one, two = await registry.upload(), await registry.upload()
        assert (one.number, two.number) == (1, 2)
        assert len(registry.objects()) == 1
        await registry.versions.DeleteModelVersion(DELETE(name=one.name))
        assert len(registry.objects()) == 1
        await registry.versions.DeleteModelVersion(DELETE(name=two.name))
        assert registry.objects() == []


async def test_uploads_and_deletions_of_the_same_content_never_lose_it(start_registry: Any, helpers: Any) -> None:
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(start_registry(sweep_seconds=0.001)) for _ in range(2)]

        async def come_and_go(registry: Any) -> None:
            for _ in range(8):
                made = await registry.upload(parent=f"projects/default/models/m{id(registry)}")
                assert await registry.download(made.name) == helpers.ARCHIVE
                await registry.versions.DeleteModelVersion(DELETE(name=made.name))

        await asyncio.gather(*(come_and_go(registry) for registry in both))
        assert both[0].objects() == []


async def test_a_dry_upload_checks_and_keeps_nothing(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        shown = await registry.upload(validate_only=True)
        assert shown.number == 1
        assert registry.objects() == []
        call = registry.versions.GetModelVersion(GET(name=shown.name))
        assert await helpers.refused(call) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


async def test_the_same_request_again_gives_the_same_version(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        request_id = str(uuid.uuid4())
        made = await registry.upload(request_id=request_id)
        assert await registry.upload(request_id=request_id) == made
        together = await asyncio.gather(*(registry.upload(request_id=str(uuid.UUID(int=4))) for _ in range(4)))
        assert [version.number for version in together] == [2, 2, 2, 2]
        call = registry.upload(request_id=request_id, changes={"description": "another"})
        assert await helpers.refused(call) == (INVALID, "REQUEST_ID_REUSED")


async def test_a_python_signature_is_read_from_the_source(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        changes = {"framework": model_version_pb2.FRAMEWORK_PYTHON, "entrypoint": "app.py:Model", "signature": None}
        made = await registry.upload(helpers.pack({"app.py": SOURCE}), changes=changes)
        (method,) = made.signature.methods
        assert (method.name, method.inputs[0].name) == ("predict", "x")
        call = registry.upload(helpers.pack({"app.py": b"class Other: pass"}), changes=changes)
        assert await helpers.refused(call) == (INVALID, "SIGNATURE_INVALID")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "CHECKSUM_MISMATCH"),
        ({"sha256": "nonsense"}, "FIELD_OUT_OF_BOUNDS"),
        ({"signature": None}, "SIGNATURE_INVALID"),
        ({"requirements": ["numpy", "-r more.txt"]}, "REQUIREMENTS_INVALID"),
        ({"requirements": ["numpy ~~ 2"]}, "REQUIREMENTS_INVALID"),
        ({"requirements": ["evil @ file:///etc"]}, "REQUIREMENTS_INVALID"),
        ({"entrypoint": "other.joblib"}, "ARCHIVE_INVALID"),
        ({"entrypoint": "model.exe"}, "FIELD_OUT_OF_BOUNDS"),
        ({"framework": 99}, "FIELD_OUT_OF_BOUNDS"),
        ({"framework": None}, "FIELD_OUT_OF_BOUNDS"),
        ({"framework": 3, "entrypoint": "model.py"}, "FIELD_OUT_OF_BOUNDS"),
        ({"description": "a\0b"}, "FIELD_OUT_OF_BOUNDS"),
    ],
)
async def test_bad_metadata_is_refused(start_registry: Any, helpers: Any, changes: dict[str, Any], reason: str) -> None:
    async with start_registry() as registry:
        assert await helpers.refused(registry.upload(changes=changes)) == (INVALID, reason)
        assert registry.objects() == []


async def test_a_signature_that_cannot_be_used_is_refused(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        metadata = helpers.metadata_of(helpers.ARCHIVE)
        metadata.signature.default_method = "missing"
        call = registry.send([HEADER(parent=helpers.MODEL, model_version=metadata), helpers.ARCHIVE])
        assert await helpers.refused(call) == (INVALID, "SIGNATURE_INVALID")


async def test_messages_out_of_order_are_refused(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        header = HEADER(parent=helpers.MODEL, model_version=helpers.metadata_of(helpers.ARCHIVE))
        for parts in ([], [b"chunk"], [header, header]):
            assert await helpers.refused(registry.send(parts)) == (INVALID, "UPLOAD_MALFORMED")
        empty = iter([model_version_service_pb2.UploadModelVersionRequest()])
        call = registry.versions.UploadModelVersion(empty)
        assert await helpers.refused(call) == (INVALID, "UPLOAD_MALFORMED")


async def test_archives_that_are_too_large_are_refused(start_registry: Any, helpers: Any) -> None:
    async with start_registry(max_artifact_bytes=len(helpers.ARCHIVE) - 1) as registry:
        assert await helpers.refused(registry.upload()) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "ARTIFACT_TOO_LARGE",
        )
        assert registry.objects() == []


def link(name: str, kind: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type = kind
        entry.linkname = "/etc/passwd"
        tar.addfile(entry)
    return out.getvalue()


async def test_archives_that_could_do_harm_are_refused(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        for archive in (
            b"",
            b"not a tar" * 100,
            helpers.pack({"/model.joblib": b""}),
            helpers.pack({"../model.joblib": b""}),
            helpers.pack({"a\\b": b""}),
            link("model.joblib", tarfile.SYMTYPE),
            link("model.joblib", tarfile.LNKTYPE),
            link("model.joblib", tarfile.CHRTYPE),
            link("model.joblib", tarfile.FIFOTYPE),
            helpers.pack({"model.joblib": b"", "model.joblib/x": b""}),
            helpers.pack({"model.joblib": b"x" * 2000})[:1024],
        ):
            assert await helpers.refused(registry.upload(archive)) == (INVALID, "ARCHIVE_INVALID")
        assert registry.objects() == []


async def test_numbers_must_be_the_next_and_are_never_used_again(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        await registry.upload()
        made = await registry.upload()
        taken = (grpc.StatusCode.ALREADY_EXISTS, "MODEL_VERSION_EXISTS")
        unordered = (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_VERSION_OUT_OF_ORDER")
        assert await helpers.refused(registry.upload(version=1)) == taken
        assert await helpers.refused(registry.upload(version=4)) == unordered
        await registry.versions.DeleteModelVersion(DELETE(name=made.name))
        assert await helpers.refused(registry.upload(version=2)) == unordered
        assert (await registry.upload(version=3)).number == 3
        await registry.models.DeleteModel(model_service_pb2.DeleteModelRequest(name=helpers.MODEL, force=True))
        assert (await registry.upload()).number == 4


async def test_a_model_that_must_be_there_is_not_made(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        call = registry.upload(require_model=True)
        assert await helpers.refused(call) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


async def test_a_broken_off_upload_leaves_nothing(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry, asyncio.timeout(20):
        header = HEADER(parent=helpers.MODEL, model_version=helpers.metadata_of(helpers.ARCHIVE))
        call = registry.versions.UploadModelVersion()
        await call.write(model_version_service_pb2.UploadModelVersionRequest(header=header))
        await call.write(model_version_service_pb2.UploadModelVersionRequest(chunk=b"x" * 100_000))
        await helpers.eventually(lambda: bool(registry.objects()))
        call.cancel()
        await helpers.eventually(lambda: not registry.objects())
        listing = model_service_pb2.ListModelsRequest(parent="projects/default")
        assert not (await registry.models.ListModels(listing)).models


async def test_an_upload_that_was_taken_for_dead_can_be_repeated(start_registry: Any, helpers: Any) -> None:
    async with start_registry(orphan_age_seconds=0.01, sweep_seconds=0.02) as registry, asyncio.timeout(20):
        header = HEADER(parent=helpers.MODEL, model_version=helpers.metadata_of(helpers.ARCHIVE))
        kind = model_version_service_pb2.UploadModelVersionRequest
        call = registry.versions.UploadModelVersion()
        await call.write(kind(header=header))
        await call.write(kind(chunk=helpers.ARCHIVE))
        await helpers.eventually(lambda: bool(registry.objects()))
        await helpers.eventually(lambda: not registry.objects())
        await call.done_writing()
        assert await helpers.refused(call) == (grpc.StatusCode.ABORTED, "UPLOAD_EXPIRED")


async def test_leftovers_are_swept_when_they_are_old(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry, asyncio.timeout(20):
        leftover = registry.root / "incoming" / "dead"
        leftover.write_bytes(b"half")
        await registry.upload()
        assert leftover.exists()
        registry.clock.offset += timedelta(hours=2)
        await helpers.eventually(lambda: not leftover.exists())
        assert len(registry.objects()) == 1


async def test_a_damaged_archive_is_noticed(start_registry: Any, helpers: Any) -> None:
    async with start_registry() as registry:
        made = await registry.upload()
        stored = registry.root / registry.objects()[0]
        stored.write_bytes(b"x" + helpers.ARCHIVE[1:])
        corrupt = (grpc.StatusCode.DATA_LOSS, "ARTIFACT_CORRUPT")
        assert await helpers.refused(registry.download(made.name)) == corrupt
        stored.unlink()
        assert await helpers.refused(registry.download(made.name)) == corrupt
        again = await registry.upload()  # the same content heals it
        assert await registry.download(made.name) == await registry.download(again.name) == helpers.ARCHIVE


async def test_memory_and_file_urls_work(start_registry: Any, helpers: Any, tmp_path: Path) -> None:
    for url in (f"memory://{uuid.uuid4().hex}", (tmp_path / "by-url").as_uri()):
        async with start_registry(artifacts_url=url) as registry:
            made = await registry.upload()
            assert await registry.download(made.name) == helpers.ARCHIVE
            files = fsspec.core.url_to_fs(url)
            assert len(files[0].find(files[1])) == 1
            await registry.versions.DeleteModelVersion(DELETE(name=made.name))
            assert files[0].find(files[1]) == []


async def test_large_archives_are_sent_in_chunks_of_a_mebibyte(start_registry: Any, helpers: Any) -> None:
    archive = helpers.pack({"model.joblib": b"\1" * 3_000_000})
    async with start_registry() as registry:
        made = await registry.upload(archive)
        request = model_version_service_pb2.DownloadModelVersionRequest(name=made.name)
        sizes = [len(message.chunk) async for message in registry.versions.DownloadModelVersion(request)]
        assert sizes[:2] == [1 << 20, 1 << 20]
        assert sum(sizes) == len(archive)
