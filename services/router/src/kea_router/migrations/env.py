"""Alembic's entry: the router's tables."""

from kea_core.migration import run
from kea_router.store.tables import METADATA

run(METADATA)
