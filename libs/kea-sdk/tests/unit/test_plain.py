from __future__ import annotations

import enum
import math
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kea_sdk.plain import is_finite, plain
from scipy.sparse import csr_matrix

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: float
    colour: Colour


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([[1, 2]], dtype=np.int32), [[1, 2]]),
        (np.float32(0.5), 0.5),
        (np.array(True), True),
        (np.array(["a", None], dtype=object), ["a", None]),
        (np.array(["2026-01-31"], dtype="datetime64[ns]"), ["2026-01-31T00:00:00"]),
        (pd.Series([1.5]), [1.5]),
        (pd.Series(pd.to_datetime(["2026-01-31"])).astype("datetime64[ns]"), ["2026-01-31T00:00:00"]),
        (pd.Timestamp(MOMENT), "2026-01-31T12:00:00+00:00"),
        (csr_matrix(np.eye(2)), [[1.0, 0.0], [0.0, 1.0]]),
        ((1, [np.int8(2)]), [1, [2]]),
        ({1: b"text"}, {"1": "text"}),
        (Point(1.0, Colour.RED), {"x": 1.0, "colour": "red"}),
        (date(2026, 1, 31), "2026-01-31"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("text", "text"),
        (None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_become_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_nan_stays_nan_and_is_not_finite() -> None:
    assert math.isnan(plain(np.array([math.nan]))[0])
    assert not is_finite({"x": [1.0, math.inf]})
    assert not is_finite([object()])
    assert is_finite({"x": [1, 2.5, "a", None, True]})
