"""The services of a platform, and how each is set on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import kea_auth.main
import kea_deployer.main
import kea_gateway.main
import kea_registry.main
import kea_router.main
from kea_auth.audit.settings import AuditSettings
from kea_auth.login.settings import LoginSettings
from kea_auth.settings import AuthSettings
from kea_core.database import DatabaseSettings
from kea_core.settings import Secret, to_environment
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.settings import DeployerSettings
from kea_gateway.settings import GatewaySettings
from kea_registry.settings import RegistrySettings
from kea_router.settings import RouterSettings
from prometheus_client import CollectorRegistry

from kea_sdk.platform.layout import Layout


@dataclass(frozen=True, slots=True)
class Service:
    """One service: how to run it here, and how to run it as a process."""

    name: str
    address: str
    module: str
    environment: dict[str, str] = field(repr=False)
    start: Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]
    """`run(stop, ready)` in this process."""


def services_of(
    layout: Layout,
    database_url: Secret,
    *,
    lifeline: int,
    keep_replicas: bool,
    images: ImageSettings,
    login: LoginSettings,
) -> list[Service]:
    """Returns the services in the order of their start.

    Args:
        layout: where everything lies.
        database_url: of PostgreSQL; empty for SQLite files.
        lifeline: read end of the platform's lifeline, inherited by every process.
        keep_replicas: whether model servers outlive the deployer, because it is restarted apart from the platform.
        images: how models become images.
        login: how people log in; where auth answers them is filled in here.
    """

    def database(service: str) -> DatabaseSettings:
        if database_url.reveal():
            return DatabaseSettings(url=database_url.reveal(), schema=f"kea_{service}")
        return DatabaseSettings(url=layout.database(service))

    metrics = CollectorRegistry

    def service(name: str, module: Any, settings: Any) -> Service:
        async def start(stop: asyncio.Event, ready: Callable[[], None]) -> None:
            await module.run(settings, stop, ready, metrics=metrics())

        package = module.__name__.partition(".")[0]
        prefix = package.upper()
        address = getattr(settings, "address", None) or settings.grpc_address
        return Service(name, address, package, to_environment(settings, prefix), start)

    address = {name: layout.socket(name) for name in ("auth", "registry", "deployer", "router", "portal", "reflection")}
    auth = AuthSettings(
        address=address["auth"],
        database=database("auth"),
        service_credentials_directory=layout.service_credentials,
        bootstrap_token_file=str(layout.admin_token),
        audit=AuditSettings(directory=str(layout.data / "audit"), otlp_address=layout.socket("audit")),
        login=replace(login, http_address=layout.socket("login")),
    )
    registry = RegistrySettings(
        address=address["registry"],
        audit_address=layout.socket("audit"),
        auth_address=address["auth"],
        credential_file=layout.credential("registry"),
        database=database("registry"),
        artifacts_url=str(layout.data / "artifacts"),
    )
    deployer = DeployerSettings(
        address=address["deployer"],
        audit_address=layout.socket("audit"),
        auth_address=address["auth"],
        registry_address=address["registry"],
        database=database("deployer"),
        credential_file=layout.credential("deployer"),
        data_directory=layout.data / "deployer",
        images=images,
        socket_directory=layout.sockets / "r",
        lifeline_fd=lifeline,
        keep_replicas_on_stop=keep_replicas,
    )
    router = RouterSettings(
        address=address["router"],
        xds_address=layout.socket("xds"),
        audit_address=layout.socket("audit"),
        auth_address=address["auth"],
        auth_http_address=layout.socket("login"),
        registry_address=address["registry"],
        deployer_address=address["deployer"],
        portal_http_address=address["portal"],
        portal_grpc_address=address["reflection"],
        database=database("router"),
        credential_file=layout.credential("router"),
    )
    gateway = GatewaySettings(
        login=True,
        http_address=address["portal"],
        grpc_address=address["reflection"],
        auth_address=address["auth"],
        registry_address=address["registry"],
        deployer_address=address["deployer"],
        router_address=address["router"],
        credential_file=layout.credential("portal"),
    )
    return [
        service("auth", kea_auth.main, auth),
        service("registry", kea_registry.main, registry),
        service("deployer", kea_deployer.main, deployer),
        service("router", kea_router.main, router),
        service("gateway", kea_gateway.main, gateway),
    ]
