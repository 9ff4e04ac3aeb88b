"""What there is in the workspace: found, not listed, so that what is new is not passed over."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import kea_auth.main
import kea_auth.settings
import kea_auth.store.tables
import kea_deployer.main
import kea_deployer.operator.settings
import kea_deployer.settings
import kea_deployer.store.tables
import kea_gateway.settings
import kea_registry.main
import kea_registry.settings
import kea_registry.store.tables
import kea_router.main
import kea_router.settings
import kea_router.store.tables
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kea_core", "kea_auth", "kea_deployer", "kea_gateway", "kea_registry", "kea_router")
"""Packages of what runs as a service."""

SERVICE_SETTINGS: Mapping[str, type] = {
    "KEA_AUTH": kea_auth.settings.AuthSettings,
    "KEA_DEPLOYER": kea_deployer.settings.DeployerSettings,
    "KEA_OPERATOR": kea_deployer.operator.settings.OperatorSettings,
    "KEA_GATEWAY": kea_gateway.settings.GatewaySettings,
    "KEA_REGISTRY": kea_registry.settings.RegistrySettings,
    "KEA_ROUTER": kea_router.settings.RouterSettings,
}
"""What each service is set by, by the prefix of its variables."""


@dataclass(frozen=True, slots=True)
class Database:
    """The tables of one service."""

    service: str
    metadata: sa.MetaData
    migrations: Path

    def __str__(self) -> str:
        return self.service


DATABASES = (
    Database("auth", kea_auth.store.tables.METADATA, kea_auth.main.MIGRATIONS),
    Database("deployer", kea_deployer.store.tables.METADATA, kea_deployer.main.MIGRATIONS),
    Database("registry", kea_registry.store.tables.METADATA, kea_registry.main.MIGRATIONS),
    Database("router", kea_router.store.tables.METADATA, kea_router.main.MIGRATIONS),
)


def modules(*packages: str) -> Iterator[ModuleType]:
    """Imports every module of the packages, but programs and migrations."""
    for package in packages:
        root = importlib.import_module(package)
        yield root
        for entry in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not entry.name.endswith(".__main__") and ".migrations" not in entry.name:
                yield importlib.import_module(entry.name)


def classes(*packages: str) -> Iterator[type]:
    """Yields every class that is written in the packages."""
    for module in modules(*packages):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__:
                yield found
