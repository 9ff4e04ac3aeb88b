"""Every error has a reason of its own, a status and a code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kea_runtime import answers, errors, oip_grpc


def kinds(kind: type[errors.CallError] = errors.CallError) -> Iterator[type[errors.CallError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def test_reasons_are_unique() -> None:
    reasons = [kind.reason for kind in kinds()]
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind not in set(errors.NotFound.__subclasses__())])
def test_every_error_is_in_both_tables(kind: type[errors.CallError]) -> None:
    assert kind in answers.STATUSES
    assert kind in oip_grpc.CODES


def test_pointers_escape() -> None:
    assert errors.pointer(("a/b", "c~d", 0)) == "/a~1b/c~0d/0"
