"""`python -m kea_core.migrate kea_registry …`: brings services' tables to the newest revision, and ends.

For the moment before an upgrade: what cannot be migrated is then known before anything is replaced. A service that
starts does the same for itself, and finds nothing left to do.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kea_core.database import DatabaseSettings, migrate
from kea_core.logs import configure_logs
from kea_core.settings import SettingsError, read_settings

log = logging.getLogger(__name__)


def migrations_of(package: str) -> Path:
    """Returns a service's directory of migrations; nothing of the service is imported.

    Raises:
        SettingsError: there is no such service here, or it has no tables.
    """
    found = importlib.util.find_spec(package)
    for place in found.submodule_search_locations or () if found else ():
        directory = Path(place) / "migrations"
        if directory.is_dir():
            return directory
    problem = f"{package} is no service with tables"
    raise SettingsError(problem)


def main(packages: Sequence[str], environ: Mapping[str, str]) -> int:
    """Migrates one service after the other, each by its own variables (`KEA_REGISTRY_DATABASE_URL` and so on)."""
    configure_logs("migrate")
    try:
        planned = [
            (package, migrations_of(package), read_settings(DatabaseSettings, f"{package.upper()}_DATABASE", environ))
            for package in packages
        ]
    except SettingsError as error:
        log.error("nothing migrated", extra={"problem": str(error)})  # noqa: TRY400 - one line says it
        return 2
    for package, migrations, settings in planned:
        asyncio.run(migrate(settings, migrations))
        log.info("migrated", extra={"package": package})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
