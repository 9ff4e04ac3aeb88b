from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from kea_auth.domain.revocation import Revocation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def revocation(expires: datetime | None) -> Revocation:
    return Revocation("id", expires, NOW, "users/ada")


@pytest.mark.parametrize(
    ("new", "present", "lasting"),
    [
        (NOW, NOW + HOUR, NOW + HOUR),
        (NOW + HOUR, NOW, NOW + HOUR),
        (NOW, None, None),
        (None, NOW, None),
        (None, None, None),
    ],
)
def test_of_two_revocations_the_longer_lasts(
    new: datetime | None, present: datetime | None, lasting: datetime | None
) -> None:
    assert revocation(new).lasting(revocation(present)) == revocation(lasting)


def test_one_that_is_the_first_is_as_it_is() -> None:
    assert revocation(NOW).lasting(None) == revocation(NOW)
