"""From a request to the protocol that answers it, and from any error to that protocol's shape."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Protocol

from kea_runtime.answers import Answer, Answers
from kea_runtime.errors import CallError, Draining, PathNotFound, VerbNotAllowed
from kea_runtime.failures import log_failure
from kea_runtime.http_connection import Request
from kea_runtime.methods import ServedModel
from kea_runtime.oip_rest import OipRest
from kea_runtime.typed_json import TypedJson
from kea_runtime.v1 import V1

REQUEST_ID = "x-request-id"


class Answering(Protocol):
    """A protocol: one shape of paths, payloads and errors."""

    async def answer(self, request: Request, segments: Sequence[str]) -> Answer:
        """Answers a request; what it raises is refused in the protocol's shape."""
        ...

    def refuse(self, error: CallError, request_id: str) -> Answer:
        """Returns an error in the protocol's shape."""
        ...


class Plain:
    """Answers `/healthz`, and refuses what no protocol answers."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def answer(self, request: Request, segments: Sequence[str]) -> Answer:
        """Answers the deployer's probe; `segments` are all of the path's."""
        if list(segments) != ["healthz"]:
            raise PathNotFound("/" + "/".join(segments))
        if request.verb not in {"GET", "HEAD"}:
            raise VerbNotAllowed(request.verb, "GET, HEAD")
        return self._answers.json({"status": "SERVING"})

    def refuse(self, error: CallError, request_id: str) -> Answer:
        """Returns the error as a problem."""
        return self._answers.problem(error, request_id)


class HttpApp:
    """All of the runtime's HTTP.

    Args:
        model: what is served.
        max_body_bytes: largest body, as sent and decompressed.
    """

    def __init__(self, model: ServedModel, max_body_bytes: int) -> None:
        answers = Answers.of(model.version)
        self._plain = Plain(answers)
        self._protocols: dict[str, Answering] = {
            "models": TypedJson(model, answers, max_body_bytes),
            "v2": OipRest(model, answers, max_body_bytes),
            "v1": V1(model, answers, max_body_bytes),
        }
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def drain(self) -> None:
        """Refuses further calls and returns when those in flight are answered."""
        self._draining = True
        await self._idle.wait()

    async def __call__(self, request: Request) -> Answer:
        """Answers one request."""
        path = request.path
        segments = path.split("/")[1:]
        if segments[0] == "projects":
            del segments[:2]
        answering: Answering = self._protocols.get(segments[0], self._plain) if segments else self._plain
        if self._active == 0:
            self._idle.clear()
        self._active += 1
        try:
            if self._draining:
                raise Draining  # noqa: TRY301 - refused like any other error
            return await answering.answer(request, segments if answering is self._plain else segments[1:])
        except Exception as error:  # noqa: BLE001 - the one place where nothing may escape
            return _refused(answering, error, request, path)._replace(last=self._draining)
        finally:
            self._active -= 1
            if self._active == 0:
                self._idle.set()


def _refused(answering: Answering, error: Exception, request: Request, path: str) -> Answer:
    request_id = request.header(REQUEST_ID) or str(uuid.uuid4())
    log_failure(error, request_id, path)
    return answering.refuse(error if isinstance(error, CallError) else CallError(), request_id)
