from __future__ import annotations

import pytest
from kea_core.roles import GRANTS, SERVICE_ROLES, grants


@pytest.mark.parametrize(
    ("roles", "permission", "allowed"),
    [
        (["admin"], "registry.models.delete", True),
        (["viewer"], "registry.models.get", True),
        (["viewer"], "registry.models.delete", False),
        (["invoker"], "registry.models.get", False),
        (["invoker", "viewer"], "registry.models.get", True),
        (["nobody"], "registry.models.get", False),
        ([], "registry.models.get", False),
        (["admin"], "registry.models", False),
        (["service-router"], "registry.modelVersions.download", False),
        (["service-operator"], "registry.modelVersions.create", True),
        (["service-operator"], "registry.modelVersions.download", False),
        (["service-operator"], "auth.tokens.create", False),
    ],
)
def test_a_permission_is_granted_by_a_role_or_not_at_all(roles: list[str], permission: str, *, allowed: bool) -> None:
    assert grants(roles, permission) is allowed


def test_service_accounts_have_roles_that_exist_and_are_not_the_admins() -> None:
    assert all(role in GRANTS and "*.*.*" not in GRANTS[role] for role in SERVICE_ROLES.values())
