"""Alembic's entry: the deployer's tables."""

from kea_core.migration import run
from kea_deployer.store.tables import METADATA

run(METADATA)
