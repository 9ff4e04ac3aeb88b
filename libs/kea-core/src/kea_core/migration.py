"""What every service's Alembic `env.py` calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context


def run(metadata: sa.MetaData) -> None:
    """Runs the migrations on the connection that `kea_core.database.migrate` put into the configuration."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
        # All of them or none: Alembic takes SQLite for unable, and would commit between two, where another process
        # could step in. `kea_core.database` begins transactions itself, so SQLite is able.
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
