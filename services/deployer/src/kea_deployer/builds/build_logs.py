"""What builds have to tell, and when that is all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from kea_deployer.domain.build_ports import BuildStore
from kea_deployer.domain.log_line import LogLine
from kea_deployer.provision.log_files import LogFiles


class StoredBuildLogs:
    """Implements `kea_deployer.domain.build_ports.BuildLogs`.

    Args:
        files: where lines are.
        store: knows which builds there are, and which have ended.
    """

    def __init__(self, files: LogFiles, store: BuildStore) -> None:
        self._files = files
        self._store = store

    async def tail(self, key: str, lines: int) -> Sequence[LogLine]:
        """Returns a build's last lines, oldest first."""
        return await self._files.tail(key, lines)

    def follow(self, name: str, key: str, lines: int) -> AsyncIterator[Sequence[LogLine]]:
        """Yields the last lines, oldest first, and then those to come, until the build has ended or is gone."""
        ended, changed = False, asyncio.Event()
        changed.set()

        async def there() -> bool:
            async with self._store.reading() as transaction:
                return await transaction.get(name) is not None

        async def complete() -> bool:
            nonlocal ended, changed
            if changed.is_set():  # asked many times a second, and only this process ends builds
                changed = self._store.next_change()
                async with self._store.reading() as transaction:
                    build = await transaction.get(name)
                ended = build is None or build.ended
            return ended

        return self._files.follow(key, lines, there, complete)
