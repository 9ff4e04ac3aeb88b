from __future__ import annotations

from datetime import UTC, datetime

import pytest
from kea_auth.domain.role import BUILT_IN_ROLES, new_role
from kea_core.errors import EtagMismatch
from kea_core.roles import BUILT_IN

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = datetime(2025, 1, 1, tzinfo=UTC)


def test_roles_that_kea_comes_with_are_explained_and_give_what_decisions_say() -> None:
    assert set(BUILT_IN_ROLES) == {role for role in BUILT_IN if not role.startswith("service-")}
    for role in BUILT_IN_ROLES.values():
        assert role.built_in
        assert role.description
        assert role.permissions == BUILT_IN[role.id]


def test_an_etag_changes_with_every_change_and_with_a_role_made_anew() -> None:
    role = new_role("x", NOW, ["a.b.c"], "")
    changed = role.changed(NOW, description="y")
    assert len({role.etag, changed.etag, new_role("x", EARLIER, ["a.b.c"], "").etag}) == 3
    changed.check_etag(changed.etag)
    changed.check_etag("")
    with pytest.raises(EtagMismatch):
        changed.check_etag(role.etag)


def test_time_does_not_go_back_where_clocks_differ() -> None:
    assert new_role("x", NOW, ["a.b.c"], "").changed(EARLIER, description="y").update_time == NOW
