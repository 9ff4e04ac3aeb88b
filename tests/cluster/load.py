"""Callers of a model that go on at a steady pace, beside whatever a test does to the cluster."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

import httpx
import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

FLOWER = [5.1, 3.5, 1.4, 0.2]
ANSWER_SECONDS = 15.0
"""Longest wait for one answer; later is failed."""
MOST_AT_ONCE = 200
LONGEST_SECONDS = 600.0

Ask = Callable[[], Awaitable[str]]
"""Calls the model once and returns what it said; raises where it does not answer."""
Protocol = Callable[[str, str, str], AbstractAsyncContextManager[Ask]]
"""Takes the gateway's address, a token, and the endpoint's name."""


@asynccontextmanager
async def rest(url: str, token: str, endpoint: str) -> AsyncGenerator[Ask, None]:
    """Typed JSON over HTTP/1.1, on connections that are kept."""
    headers = {"authorization": f"Bearer {token}"}
    bounds = httpx.Limits(max_connections=MOST_AT_ONCE)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False, limits=bounds
    ) as client:

        async def ask() -> str:
            response = await client.post(f"/models/{endpoint}/predict", json={"input": [FLOWER]})
            assert response.status_code == httpx.codes.OK, f"{response.status_code} {response.text}"
            return json.dumps(response.json()["output"])

        yield ask


@asynccontextmanager
async def open_inference(url: str, token: str, endpoint: str) -> AsyncGenerator[Ask, None]:
    """The Open Inference Protocol over gRPC, all calls on one channel."""
    client = InferenceServerClient(url.removeprefix("http://"))
    tensor = InferInput("input", [1, len(FLOWER)], "FP64")
    tensor.set_data_from_numpy(np.array([FLOWER]))

    async def ask() -> str:
        headers = {"authorization": f"Bearer {token}"}
        result: Any = await client.infer(endpoint, [tensor], headers=headers, client_timeout=ANSWER_SECONDS)
        return json.dumps(result.as_numpy("output").tolist())

    try:
        yield ask
    finally:
        await client.close()


class Load:
    """Calls a model at a pace that does not depend on its answers, and keeps all that it said and what went wrong.

    Args:
        url: the gateway's address.
        token: a bearer token.
        endpoint: the endpoint's name.
        paces: calls per second by protocol.
    """

    def __init__(self, url: str, token: str, endpoint: str, paces: dict[Protocol, float]) -> None:
        self._target = url, token, endpoint
        self._paces = dict(paces)
        self._told = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        self._thread.start()
        self.await_more(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()

    @property
    def count(self) -> int:
        """How many calls have been answered, as they should be or not."""
        return self.answers.total() + len(self.failures)

    def await_more(self, count: int, seconds: float = 60.0) -> None:
        """Waits until that many more calls have been answered."""
        with self._told:
            enough = self.count + count
            assert self._told.wait_for(lambda: self.count >= enough, seconds), (
                f"{self.count} of {enough} calls answered"
            )

    def await_answer(self, answer: str, seconds: float = 60.0) -> None:
        """Waits until the model has said this, after now."""
        with self._told:
            before = self.answers[answer]
            assert self._told.wait_for(lambda: self.answers[answer] > before, seconds), self.answers

    def check(self, *answers: str, least: int) -> None:
        """Checks that the load ran, that no call failed, and that the model said this and nothing else."""
        assert not self.failures, f"{len(self.failures)} of {self.count} failed: {self.failures[:5]}"
        assert set(self.answers) == set(answers), self.answers
        assert self.answers.total() >= least

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as protocols:
            for protocol, pace in self._paces.items():
                protocols.create_task(self._keep_asking(protocol, pace))

    async def _keep_asking(self, protocol: Protocol, pace: float) -> None:
        slots = asyncio.Semaphore(MOST_AT_ONCE)
        async with protocol(*self._target) as ask, asyncio.TaskGroup() as calls:
            number, name = 0, getattr(protocol, "__name__", "")
            while not self._stopping and time.monotonic() - self._begun < LONGEST_SECONDS:
                await slots.acquire()
                calls.create_task(self._ask(ask, name, slots))
                number += 1
                await asyncio.sleep(self._begun + number / pace - time.monotonic())

    async def _ask(self, ask: Ask, protocol: str, slots: asyncio.Semaphore) -> None:
        answer, problem = "", ""
        begun = time.monotonic()
        try:
            answer = await ask()
        except Exception as error:  # noqa: BLE001 - whatever went wrong is what is asked for
            at, after = begun - self._begun, time.monotonic() - begun
            problem = f"{protocol}, at {at:.1f} s, after {after:.2f} s: {type(error).__name__}: {error}"
        finally:
            slots.release()
        with self._told:
            if problem:
                self.failures.append(problem)
            else:
                self.answers[answer] += 1
            self._told.notify_all()
