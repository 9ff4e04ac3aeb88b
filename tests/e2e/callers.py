"""Callers of a model that never pause, beside whatever else a test does to the platform."""

from __future__ import annotations

import threading
from typing import Self

import httpx
from platforms import RunningPlatform

FLOWER = {"input": [[5.1, 3.5, 1.4, 0.2]]}


class Callers:
    """Calls a model without pause, in threads, and keeps what went wrong."""

    def __init__(self, platform: RunningPlatform, count: int = 4, model: str = "iris") -> None:
        self._platform = platform
        self._path = f"/models/{model}/predict"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]
        self.count = count
        """How many call at the same time."""
        self.calls = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        with self._platform.client() as client:
            while not self._stop.is_set():
                try:
                    response = client.post(self._path, json=FLOWER)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                self.calls += 1
                if response.status_code != 200:
                    self.failures.append(f"{response.status_code} {response.text}")
