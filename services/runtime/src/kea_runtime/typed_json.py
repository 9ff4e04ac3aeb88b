"""The typed protocol: `POST /models/{m}/{method}` with a property per input, answered with a property per output."""

from __future__ import annotations

from collections.abc import Sequence

from kea_runtime.answers import Answer, Answers
from kea_runtime.bodies import parse_json, read_body
from kea_runtime.errors import CallError, PathNotFound, VerbNotAllowed
from kea_runtime.http_connection import Request
from kea_runtime.methods import ServedModel

_VALIDATE = ":validate"


class TypedJson:
    """Answers under `/models`; errors are problems (RFC 9457)."""

    def __init__(self, model: ServedModel, answers: Answers, max_body_bytes: int) -> None:
        self._model = model
        self._answers = answers
        self._limit = max_body_bytes

    async def answer(self, request: Request, segments: Sequence[str]) -> Answer:
        """Answers a call, or a check of one; `segments` are those after `/models`."""
        if len(segments) != 2:  # noqa: PLR2004 - model and method
            raise PathNotFound("/".join(("/models", *segments)))
        name = segments[1]
        method = self._model.method(name.removesuffix(_VALIDATE))
        if request.verb != "POST":
            raise VerbNotAllowed(request.verb, "POST")
        inputs = method.read_json(parse_json(read_body(request, self._limit)))
        if name.endswith(_VALIDATE):
            return self._answers.json({"valid": True})
        outputs = await method.call(inputs)
        return self._answers.json({field.name: field.to_json(outputs[field.name]) for field in method.outputs})

    def refuse(self, error: CallError, request_id: str) -> Answer:
        """Returns the error in this protocol's shape."""
        return self._answers.problem(error, request_id)
