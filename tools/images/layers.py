"""Layers of dependencies and of sources, each made once for what it is made of."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kea_deployer.builds.layer_cache import LayerCache, layer_key
from kea_deployer.builds.packages import Packages
from kea_deployer.provision.uv import Note, Uv
from kea_oci.layer import Entry, Layer, entries_of, write_layer
from lock import names_in, part_of, read_lock
from members import Member, digest_of_sources
from recipes import PACKAGES, SOURCES
from target import ServiceTarget

FORMAT = "1"
"""Counts up when layers of the same making come out otherwise."""
SCRIPT = b"#!"


class Layers:
    """Makes layers, or finds them in the cache.

    Args:
        uv: runs uv, and the compiler.
        cache: layers made before.
        directory: for what is of no use afterwards, and what requirements came to.
        target: what they are for.
        lock_file: all distributions that may be used, with hashes.
        note: told of each line worth keeping.
    """

    def __init__(
        self, uv: Uv, cache: LayerCache, directory: Path, target: ServiceTarget, lock_file: Path, note: Note
    ) -> None:
        self.cache = cache
        self._uv = uv
        self._packages = Packages(uv, directory)
        self._directory = directory
        self._target = target
        self._lock_file = lock_file
        self._lock = read_lock(lock_file)
        self._note = note

    async def names(self, requirements: Sequence[str]) -> set[str]:
        """Returns the names of the distributions that requirements come to on the target, by the lock."""
        key = layer_key(FORMAT, "names", self._lock_file.read_text(), list(requirements), str(self._target))
        known = self._directory / f"names-{key}"
        if not known.exists():
            draft = known.with_suffix(".draft")
            with TemporaryDirectory(dir=self._directory) as scratch:
                wanted = Path(scratch, "requirements.in")
                await asyncio.to_thread(wanted.write_text, "\n".join(requirements) + "\n")
                await self._uv.run(
                    *("pip", "compile", "--no-annotate", "--no-header", "--no-build", "--quiet"),
                    *("--constraints", str(self._lock_file), "--output-file", str(draft), str(wanted)),
                    *("--python-version", self._target.python, "--python-platform", self._target.wheels),
                    note=self._note,
                )
            draft.rename(known)
        return names_in(known.read_text())

    async def packages(self, names: Collection[str], comment: str) -> Layer:
        """Returns the layer with these distributions."""

        def write(directory: Path) -> Layer:
            entries = entries_of(directory, PACKAGES)
            return write_layer(self.cache.store, entries, compress=True, comment=comment)

        async def make() -> Layer:
            async with self._laid_out(names) as directory:
                await self._compile(directory, PACKAGES)
                return await asyncio.to_thread(write, directory)

        return await self._get("packages", part_of(self._lock, names), make)

    async def chosen(self, names: Collection[str], choose: Callable[[Path], Iterable[Entry]], comment: str) -> Layer:
        """Returns a layer of what `choose` takes of these distributions; it must always take the same."""

        def write(directory: Path) -> Layer:
            return write_layer(self.cache.store, choose(directory), compress=True, comment=comment)

        async def make() -> Layer:
            async with self._laid_out(names) as directory:
                return await asyncio.to_thread(write, directory)

        return await self._get(comment, part_of(self._lock, names), make)

    async def sources(self, members: Sequence[Member], comment: str) -> Layer:
        """Returns the layer with members' packages."""

        def copy(directory: Path) -> None:
            for member in members:
                for name, path in member.files():
                    (directory / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, directory / name)

        def write(directory: Path) -> Layer:
            return write_layer(self.cache.store, entries_of(directory, SOURCES), compress=True, comment=comment)

        async def make() -> Layer:
            with TemporaryDirectory(dir=self._directory) as scratch:
                await asyncio.to_thread(copy, Path(scratch))
                await self._compile(Path(scratch), SOURCES)
                return await asyncio.to_thread(write, Path(scratch))

        return await self._get("sources", digest_of_sources(members), make)

    async def files(self, entries: Sequence[Entry], comment: str) -> Layer:
        """Returns a layer of a few small files."""
        return await asyncio.to_thread(write_layer, self.cache.store, entries, compress=True, comment=comment)

    async def _get(self, kind: str, made_of: str, make: Callable[[], Awaitable[Layer]]) -> Layer:
        key = layer_key(FORMAT, kind, made_of, str(self._target), self._target.wheels, self._target.compiles)
        return await self.cache.get(key, make)

    async def _compile(self, directory: Path, place: str) -> None:
        if self._target.compiles:
            await self._packages.compile(directory, f"/{place}", self._note)

    @asynccontextmanager
    async def _laid_out(self, names: Collection[str]) -> AsyncGenerator[Path]:
        with TemporaryDirectory(dir=self._directory) as scratch:
            directory = Path(scratch)
            await self._packages.lay_out(part_of(self._lock, names), self._target, directory, self._note)
            await asyncio.to_thread(_remove_scripts, directory)
            yield directory


def _remove_scripts(directory: Path) -> None:
    """Removes command-line scripts, which services do not run.

    They name the interpreter of the machine they were laid out on, and the records of their distributions have hashes
    of that.
    """
    removed: set[str] = set()
    for script in (directory / "bin").glob("*"):
        if script.is_file() and script.read_bytes().startswith(SCRIPT):
            script.unlink()
            removed.add(script.name)
    for record in directory.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines()
        kept = [line for line in lines if not _is_script(line.partition(",")[0], removed)]
        record.write_text("".join(f"{line}\n" for line in sorted(kept)))


def _is_script(path: str, names: Collection[str]) -> bool:
    place, _, name = path.rpartition("/")
    return name in names and place.rpartition("/")[2] == "bin"
