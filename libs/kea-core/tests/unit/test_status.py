from __future__ import annotations

import asyncio
import base64
from typing import Any, cast
from urllib.parse import quote

import pytest
from google.rpc import error_details_pb2
from hypothesis import example, given
from hypothesis import strategies as st
from kea_core import status
from kea_core.errors import FailedPrecondition, FieldOutOfBounds, FieldViolation, KeaError

HEADERS_TAKEN = 8192
"""Bytes of headers that gRPC's clients take; some are gRPC's own."""
TEXT = st.text(st.characters(), max_size=6000)  # with surrogates, as names of files may have


class Sample(FailedPrecondition):
    reason = "SAMPLE"


class Call:
    """Keeps what a call is aborted with; only that much of a context is needed."""

    async def abort(self, code: Any, details: str, trailing_metadata: Any) -> None:
        del code
        self.message, self.details = details, trailing_metadata[0][1]


def sent_for(error: KeaError) -> Call:
    call = Call()
    asyncio.run(status.abort(cast("Any", call), status.to_status(error)))
    return call


@given(TEXT, st.dictionaries(st.sampled_from(["name", "problem", "expected", "actual"]), TEXT))
@example("x" * 6000, dict.fromkeys(["name", "problem", "expected", "actual"], "x" * 6000))
@example("\U0001f9a4" * 6000, dict.fromkeys(["name", "problem", "expected", "actual"], "\udcff" * 6000))
def test_whatever_an_error_says_its_headers_are_short_enough(text: str, metadata: dict[str, str]) -> None:
    call = sent_for(Sample(text, **metadata))
    assert len(quote(call.message, safe="")) + len(base64.b64encode(call.details)) < HEADERS_TAKEN - 512


@example([FieldViolation("a.b", "\U0001f9a4" * 6000)] * 20)
@given(st.lists(st.builds(FieldViolation, st.just("a.b"), TEXT), min_size=1, max_size=20))
def test_violations_are_left_out_from_the_end_where_they_do_not_fit(violations: list[FieldViolation]) -> None:
    made = status.to_status(FieldOutOfBounds(violations))
    bad = error_details_pb2.BadRequest()
    assert made.details[1].Unpack(bad)
    assert sum(len(detail.value) for detail in made.details) <= status.MAX_DETAILS
    assert 1 <= len(bad.field_violations) <= len(violations)
    for told, violation in zip(bad.field_violations, violations, strict=False):
        assert violation.description.encode(errors="replace").decode().startswith(told.description.removesuffix("…"))


@pytest.mark.parametrize("text", ["", "short", "x" * status.MAX_SENT_MESSAGE])
def test_what_fits_is_told_as_it_is(text: str) -> None:
    assert sent_for(Sample(text)).message == text


def test_a_status_that_does_not_travel_in_headers_has_room_for_more() -> None:
    text = "x" * status.MAX_MESSAGE
    assert status.to_status(Sample(text)).message == text
