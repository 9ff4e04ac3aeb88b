"""The roles KEA comes with, and who has them without any binding."""

from __future__ import annotations

from types import MappingProxyType

from kea_core.permission import INVOKE

READ = ("*.*.get", "*.*.list")
"""Verbs that show what there is; the audit trail has others, since it shows who did what."""

BUILT_IN: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "admin": ("*.*.*",),
        "auditor": (*READ, "auth.auditEvents.search", "auth.auditEvents.export", "auth.auditEvents.verify"),
        "consumer": (INVOKE, "router.endpoints.get", "router.endpoints.list"),
        "engineer": (*READ, "registry.*.*", "deployer.*.*", "router.*.*"),
        "operator": (
            *READ,
            "deployer.*.*",
            *(f"router.endpoints.{verb}" for verb in ("create", "update", "delete", "watch")),
        ),
        "viewer": READ,
        "service-registry": ("auth.policy.watch",),
        "service-deployer": (
            "auth.policy.watch",
            "registry.models.get",
            "registry.modelVersions.get",
            "registry.modelVersions.download",
        ),
        "service-router": ("auth.policy.watch", "deployer.deployments.watch", "deployer.deployments.get"),
        "service-portal": (
            "auth.policy.watch",
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
)
"""Grants by role id. `operator` runs what others have made, and calls no model; `consumer` calls, and sees what it may
call; `service-…` are those of KEA's own services: what the service needs, nothing else."""

SERVICE_ACCOUNTS = ("deployer", "operator", "portal", "registry", "router")
"""Ids of the accounts that KEA's own services use."""

ADMIN = "users/admin"
"""Whom the bootstrap token stands for."""

BUILT_IN_MEMBERS: MappingProxyType[str, str] = MappingProxyType(
    {ADMIN: "admin"} | {f"serviceAccounts/{account}": f"service-{account}" for account in SERVICE_ACCOUNTS}
)
"""Role ids, on the whole platform, by member: what holds before there is any binding, and cannot be taken away."""
