"""Who may call an endpoint is auth's to say."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_column("endpoints", "allowed_roles")


def downgrade() -> None:
    op.add_column("endpoints", sa.Column("allowed_roles", sa.JSON, nullable=False, server_default="[]"))
