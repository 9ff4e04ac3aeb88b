"""How many requests to a project's endpoints may be in progress."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "project_limits", sa.Column("max_concurrent_requests", sa.Integer, nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("project_limits", "max_concurrent_requests")
