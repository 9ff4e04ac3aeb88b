"""A model version, ready to be uploaded."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kea_openapi.signature import Signature

from kea_deployer.operator.model_spec import SKLEARN, ModelSpec
from kea_deployer.operator.packaging.contents import unpack
from kea_deployer.operator.packaging.entrypoints import entrypoint_of, named
from kea_deployer.operator.packaging.signatures import signature_of

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """What is said of a version, and its archive."""

    archive: Path
    sha256: str
    """Of the archive."""
    framework: str
    entrypoint: str
    signature: Signature | None
    """None: the registry reads it from the source."""
    requirements: tuple[str, ...]
    notes: tuple[str, ...]
    """What had to be guessed, beyond what the signature says itself."""


def make_package(spec: ModelSpec, fetched: Path, directory: Path, max_bytes: int) -> Package:
    """Makes a version of what was fetched. Blocks.

    Args:
        spec: what the resource says of it.
        fetched: the file.
        directory: for what it is made of.
        max_bytes: most that an archive may unpack to.

    Raises:
        Problem: no version can be made of it.
        OSError: there is no room for it.
    """
    files = named(unpack(fetched, directory / "contents", max_bytes), spec.framework)
    entrypoint = entrypoint_of(files, spec.framework, spec.entrypoint)
    signature = signature_of(spec, files, entrypoint)
    archive = directory / "archive.tar"
    _pack(files, archive)
    notes: tuple[str, ...] = ()
    if not spec.requirements and spec.framework == SKLEARN:
        notes = ("requirements: the newest scikit-learn is installed, because spec.requirements is not given",)
    return Package(
        archive=archive,
        sha256=_sha256(archive),
        framework=spec.framework,
        entrypoint=entrypoint,
        signature=signature,
        requirements=spec.requirements,
        notes=notes,
    )


def _pack(files: Mapping[str, Path], to: Path) -> None:
    """Writes a tar that depends on nothing but names and contents, as the SDK's does."""
    with tarfile.open(to, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)  # its defaults: no owner, no time
            entry.mode = 0o644
            entry.size = files[name].stat().st_size
            with files[name].open("rb") as source:
                tar.addfile(entry, source)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
