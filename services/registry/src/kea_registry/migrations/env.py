"""Run by Alembic."""

from kea_core.migration import run

from kea_registry.store.tables import METADATA

run(METADATA)
