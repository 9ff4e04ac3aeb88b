"""Names of what should be looked at."""

from __future__ import annotations

import asyncio


class WakeQueue:
    """First in, first out; a name that waits already is not added again."""

    def __init__(self) -> None:
        self._names: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()

    def wake(self, name: str) -> None:
        """Has something looked at soon."""
        if name not in self._waiting:
            self._waiting.add(name)
            self._names.put_nowait(name)

    async def next(self) -> str:
        """Returns the next name; waits for one."""
        name = await self._names.get()
        self._waiting.discard(name)
        return name
