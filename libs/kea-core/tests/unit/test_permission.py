from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.permission import covers, grants, matches
from kea_core.roles import BUILT_IN, BUILT_IN_MEMBERS

PARTS = st.sampled_from(["a", "b", "c"])
PERMISSIONS = st.lists(PARTS, min_size=3, max_size=3).map(".".join)
GRANTS = st.lists(PARTS | st.just("*"), min_size=3, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("role", "permission", "allowed"),
    [
        ("admin", "registry.models.delete", True),
        ("admin", "registry.models", False),
        ("viewer", "registry.models.get", True),
        ("viewer", "registry.models.delete", False),
        ("viewer", "auth.auditEvents.search", False),
        ("auditor", "auth.auditEvents.search", True),
        ("auditor", "router.endpoints.invoke", False),
        ("consumer", "registry.models.get", False),
        ("consumer", "router.endpoints.invoke", True),
        ("engineer", "router.endpoints.invoke", True),
        ("engineer", "auth.bindings.create", False),
        ("operator", "router.endpoints.update", True),
        ("operator", "router.endpoints.invoke", False),
        ("operator", "registry.modelVersions.create", False),
        ("service-router", "registry.modelVersions.download", False),
        ("service-operator", "registry.modelVersions.create", True),
        ("service-operator", "registry.modelVersions.download", False),
    ],
)
def test_what_the_roles_give(role: str, permission: str, *, allowed: bool) -> None:
    assert grants(BUILT_IN[role], permission) is allowed


def test_service_accounts_have_roles_that_exist_and_are_not_the_admins() -> None:
    services = {member: role for member, role in BUILT_IN_MEMBERS.items() if member.startswith("serviceAccounts/")}
    assert services
    assert all(role in BUILT_IN and "*.*.*" not in BUILT_IN[role] for role in services.values())


@given(st.lists(GRANTS, max_size=4), st.lists(GRANTS, max_size=4), PERMISSIONS)
def test_what_is_covered_gives_no_more(held: list[str], wanted: list[str], permission: str) -> None:
    if covers(held, wanted) and grants(wanted, permission):
        assert grants(held, permission)


@given(GRANTS, PERMISSIONS)
def test_a_star_stands_for_one_part(grant: str, permission: str) -> None:
    expected = all(g in ("*", p) for g, p in zip(grant.split("."), permission.split("."), strict=True))
    assert matches(grant, permission) is expected
    assert not matches(grant, permission + ".x")
