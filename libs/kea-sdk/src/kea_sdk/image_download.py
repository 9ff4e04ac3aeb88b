"""Images brought from a registry into a file: the tar of an OCI image layout."""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_core import settings, status
from kea_core.errors import KeaError
from kea_oci.blob_store import BlobStore
from kea_oci.credentials import Credentials, read_credentials
from kea_oci.documents import INDEXES, Descriptor, Index, Manifest
from kea_oci.layout import write_layout
from kea_oci.reference import ImageReference
from kea_oci.registry import Registry

from kea_sdk.address import is_loopback
from kea_sdk.error_mapping import CODES, made
from kea_sdk.errors import KeaClientError, SettingsError

Progress = Callable[[int, int], None]
"""Told how many bytes are here, and how many there are."""


def download_image(
    image: str, path: Path, *, plain_http: bool = False, progress: Progress = lambda _here, _all: None
) -> None:
    """Writes an image, for all its platforms, into a file; whoever looks finds the whole of it or nothing.

    Credentials are those of `docker login`. Registries of this machine are spoken to without TLS.

    Args:
        image: `HOST[:PORT]/PATH:TAG@DIGEST`.
        path: the file; replaced where it is there.
        plain_http: whether the registry is spoken to without TLS.
        progress: told how far it is.

    Raises:
        KeaClientError: the registry does not give it.
        SettingsError: Docker's configuration cannot be read.
        OSError: the file cannot be written.
    """
    reference = ImageReference.parse(image)
    plain = plain_http or is_loopback(f"http://{reference.registry}")
    with TemporaryDirectory(dir=path.absolute().parent, prefix=f".{path.name}-") as directory:
        store = BlobStore(Path(directory))
        try:
            described = asyncio.run(_download(reference, store, _credentials(), progress, plain_http=plain))
        except KeaError as error:
            kind = CODES.get(status.code_of(error), KeaClientError)
            raise made(kind, str(error), error.reason, error.metadata) from error
        layout = write_layout(store, {str(reference).partition("@")[0]: described})
        draft = layout / path.name
        _pack(layout, draft)
        draft.replace(path)


async def _download(
    reference: ImageReference,
    store: BlobStore,
    credentials: Mapping[str, Credentials],
    progress: Progress,
    *,
    plain_http: bool,
) -> Descriptor:
    registry = Registry(reference.registry, credentials.get(reference.registry), plain_http=plain_http)
    try:
        top = await registry.document(reference)
        documents = [top]
        if top.descriptor.media_type in INDEXES:
            store.put(top.content)
            entries = Index.decode(top.content).manifests
            documents = [await registry.document(reference.at(entry.digest)) for entry in entries]
        blobs: dict[str, Descriptor] = {}
        for document in documents:
            store.put(document.content)
            manifest = Manifest.decode(document.content)
            blobs |= {blob.digest: blob for blob in (manifest.config, *manifest.layers)}
        here, whole = 0, sum(blob.size for blob in blobs.values())

        def received(more: int) -> None:
            nonlocal here
            here += more
            progress(here, whole)

        received(0)
        for blob in blobs.values():
            await registry.pull_blob(reference.repository, blob, store, received)
        return top.descriptor
    finally:
        await registry.close()


def _credentials() -> Mapping[str, Credentials]:
    directory = os.environ.get("DOCKER_CONFIG") or "~/.docker"
    path = Path(directory).expanduser() / "config.json"
    if not path.is_file():
        return {}
    try:
        return read_credentials(path)
    except settings.SettingsError as error:
        raise SettingsError(str(error)) from error


def _pack(layout: Path, path: Path) -> None:
    """Writes a layout's files as a tar, the same for the same image."""
    files = [layout / "oci-layout", layout / "index.json", *sorted((layout / "blobs" / "sha256").iterdir())]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(str(file.relative_to(layout)))
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(entry, content)
