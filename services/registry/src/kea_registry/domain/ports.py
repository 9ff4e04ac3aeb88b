"""What the registry's domain needs of the world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol, TypeVar

from kea_core.pages import Page

from kea_registry.domain.model import Model, ModelKey
from kea_registry.domain.model_version import ModelVersion, VersionKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same as an earlier one (AIP-155)."""

    request_id: str
    """Empty: it is like no other."""
    digest: str


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A change of versions. With neither part: everything up to `revision` has been told."""

    revision: int
    upserted: ModelVersion | None = None
    deleted: VersionKey | None = None


class Requests(Protocol):
    """Requests that were done within the last day."""

    async def result(self, once: Once) -> str | None:
        """Returns the name of what the same request made, or None where it is new."""
        ...

    async def remember(self, once: Once, result: str) -> None:
        """Notes what a request makes.

        Raises:
            RequestRaced: the same request was done in the meantime; this transaction can only be given up.
        """
        ...


class ModelStore(Protocol):
    """Models within a transaction."""

    async def get(self, key: ModelKey, *, lock: bool = False) -> Model | None:
        """Returns a model; with `lock`, nobody else changes it or its versions before the transaction ends."""
        ...

    async def page(self, project: str, page: Page) -> list[Model]:
        """Returns up to `page.size` + 1 models of a project by id: one more tells that there is a next page."""
        ...

    async def add(self, model: Model) -> bool:
        """Adds a model, and locks it; False where there is one already."""
        ...

    async def save(self, model: Model) -> None:
        """Writes a model that is locked."""
        ...

    async def remove(self, key: ModelKey) -> None:
        """Removes a locked model that has no versions."""
        ...


class VersionStore(Protocol):
    """Versions within a transaction that has locked their model."""

    async def get(self, key: VersionKey) -> ModelVersion | None:
        """Returns a version."""
        ...

    async def page(self, model: ModelKey, before: int | None, size: int) -> list[ModelVersion]:
        """Returns versions of a model, newest first, those before a number."""
        ...

    async def numbers(self, model: ModelKey) -> list[int]:
        """Returns the numbers there are, newest first."""
        ...

    async def last_number(self, model: ModelKey) -> int:
        """Returns the highest number ever given; it outlives versions and the model."""
        ...

    async def add(self, version: ModelVersion, claim: str) -> None:
        """Adds a version, whose number is the one after the last, and gives up the claim on its archive.

        Raises:
            UploadExpired: the claim has been swept away.
        """
        ...

    async def remove(self, key: VersionKey) -> str:
        """Removes a version; returns its archive's SHA-256."""
        ...


class Transaction(Protocol):
    """Everything within one transaction."""

    @property
    def models(self) -> ModelStore:
        """Models."""
        ...

    @property
    def versions(self) -> VersionStore:
        """Versions."""
        ...

    @property
    def requests(self) -> Requests:
        """Requests seen."""
        ...


class Storage(Protocol):
    """Where models and versions are kept; several processes may share it."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Runs a transaction that commits at the end and rolls back on any exception."""
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Runs a transaction that only reads."""
        ...

    def watch(self, since: int) -> AsyncIterator[VersionChange]:
        """Yields every change of versions after a revision, from whatever process, for ever.

        Raises:
            RevisionExpired: changes after it are not all known any more.
        """
        ...


class ArchiveLedger(Protocol):
    """Which archives are needed, so that none is removed that is, or is about to be."""

    async def claim(self, sha256: str) -> str:
        """Keeps an archive from being removed until a version has it; returns the claim."""
        ...

    async def release(self, claim: str) -> None:
        """Gives a claim up."""
        ...

    async def expire_claims(self, before: datetime) -> None:
        """Gives up the claims of uploads that died."""
        ...

    async def unneeded(self) -> list[str]:
        """Returns archives that nothing needs at this moment."""
        ...

    def removing(self, sha256: str) -> AbstractAsyncContextManager[bool]:
        """Holds off everyone who would need an archive while it is removed; False where something needs it."""
        ...


class Incoming(Protocol):
    """An archive that is being received. Gone when its context ends, unless it was kept."""

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        ...

    async def finish(self) -> tuple[str, int]:
        """Ends writing; returns SHA-256 and size."""
        ...

    async def inspect(self, look: Callable[[BinaryIO], T]) -> T:
        """Calls `look`, in a thread, with what was written."""
        ...

    async def keep(self, sha256: str) -> None:
        """Moves it to the place its content determines, at once and whole."""
        ...


class Artifacts(Protocol):
    """The archives' bytes."""

    def receive(self) -> AbstractAsyncContextManager[Incoming]:
        """Begins to receive an archive."""
        ...

    def read(self, sha256: str) -> AsyncIterator[bytes]:
        """Yields an archive in chunks of at most 1 MiB.

        Raises:
            ArtifactCorrupt: it is missing, or at its end turns out not to be what its name says.
        """
        ...

    async def remove(self, sha256: str) -> None:
        """Removes an archive; that it is gone already is no error."""
        ...

    async def sweep_incoming(self, before: datetime) -> None:
        """Removes what was received and not written to since."""
        ...
