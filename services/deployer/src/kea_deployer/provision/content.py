"""Directories named by what they hold: made once, whole or not at all, shared by all who need them."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from weakref import WeakValueDictionary

DRAFT = ".draft-"


class Directories:
    """A directory of such directories.

    Args:
        root: where they lie; made by `open`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._given: set[str] = set()
        """Names given out since `keep` was last called: who decides what is needed may not know of them yet."""

    async def open(self) -> None:
        """Makes the root, and removes what a deployer that was killed had begun."""
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True, mode=0o700)
        for draft in await asyncio.to_thread(lambda: list(self._root.glob(f"{DRAFT}*"))):
            if draft.is_dir():
                await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)

    async def get(self, name: str, make: Callable[[Path], Awaitable[None]]) -> Path:
        """Returns the directory of that name; where it is missing, `make` fills a new one first.

        Whoever else asks for it meanwhile waits. What `make` raises is passed on, and nothing is left.
        """
        path = self._root / name
        async with self._lock(name):
            self._given.add(name)
            if await asyncio.to_thread(path.is_dir):
                await asyncio.to_thread(os.utime, path)  # used now: `keep` forgets the longest unused first
                return path
            draft = self._root / f"{DRAFT}{name[:16]}-{secrets.token_hex(4)}"
            draft.mkdir(mode=0o700)
            try:
                await make(draft)
                # Not in a thread: were this cancelled, the removal below could meet the directory in its new place.
                draft.rename(path)
            finally:
                await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        return path

    async def keep(self, needed: Collection[str], *, spare: int) -> None:
        """Removes all but those that are needed, the `spare` others that were used last, and those given out lately."""
        kept, self._given = {*needed, *self._given}, set()
        for path in (await asyncio.to_thread(self._by_use, kept))[spare:]:
            async with self._lock(path.name):
                if path.name in self._given:
                    continue
                # Out of the way in one step, so that nobody finds half of it.
                doomed = path.rename(path.with_name(f"{DRAFT}{secrets.token_hex(8)}"))
            await asyncio.to_thread(shutil.rmtree, doomed, ignore_errors=True)

    def _by_use(self, kept: Collection[str]) -> list[Path]:
        others = [path for path in self._root.iterdir() if path.name not in kept and not path.name.startswith(DRAFT)]
        return sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())
