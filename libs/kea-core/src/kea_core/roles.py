"""The roles KEA comes with, and what they may do.

A permission is `service.resource.verb`; a grant is a permission or a pattern in which `*` stands for one part.
"""

from __future__ import annotations

from collections.abc import Iterable

READ = ("*.*.get", "*.*.list")
INVOKE = "router.endpoints.invoke"
"""Permission to call models: the gateway's to decide, by the roles in a token."""

GRANTS: dict[str, tuple[str, ...]] = {
    "admin": ("*.*.*",),
    "editor": (
        *READ,
        "auth.tokens.create",
        "registry.*.*",
        "deployer.*.*",
        "router.*.*",
    ),
    "viewer": (*READ, "auth.tokens.create"),
    "invoker": ("auth.tokens.create", INVOKE),
    "service-deployer": (
        "registry.models.get",
        "registry.modelVersions.get",
        "registry.modelVersions.download",
    ),
    "service-router": ("deployer.deployments.watch", "deployer.deployments.get"),
    "service-portal": (
        "registry.models.get",
        "registry.modelVersions.get",
        "deployer.deployments.get",
        "router.endpoints.get",
        "router.endpoints.list",
    ),
    "service-operator": (
        *(f"registry.models.{verb}" for verb in ("get", "create", "update", "delete")),
        *(f"registry.modelVersions.{verb}" for verb in ("get", "create")),
        *(f"deployer.deployments.{verb}" for verb in ("get", "watch", "create", "update", "delete")),
        *(f"router.endpoints.{verb}" for verb in ("get", "watch", "create", "update", "delete")),
    ),
}
"""Grants by role id. `invoker` may call models, and no management method but the one that makes tokens."""

SERVICE_ROLES = {
    "deployer": "service-deployer",
    "router": "service-router",
    "portal": "service-portal",
    "operator": "service-operator",
}
"""The role of each service account that KEA's own services use: what the service needs, nothing else."""


def grants(roles: Iterable[str], permission: str) -> bool:
    """Returns whether any of the roles grants the permission. Unknown roles grant nothing."""
    wanted = permission.split(".")
    return any(_matches(grant.split("."), wanted) for role in roles for grant in GRANTS.get(role, ()))


def implies(roles: Iterable[str], role: str) -> bool:
    """Returns whether whoever holds `roles` may do all that `role` may. A role that is not KEA's implies nothing."""
    held = tuple(roles)
    return role in GRANTS and all(grants(held, grant) for grant in GRANTS[role])


def _matches(grant: list[str], wanted: list[str]) -> bool:
    return len(grant) == len(wanted) and all(g in ("*", w) for g, w in zip(grant, wanted, strict=True))


INVOKE_ROLES = tuple(role for role in GRANTS if grants([role], INVOKE))
"""Roles that may call an endpoint that names none."""
