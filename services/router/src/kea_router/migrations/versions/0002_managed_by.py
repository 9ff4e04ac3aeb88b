"""The custom resource that manages an endpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("managed_by", sa.String(320), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("endpoints", "managed_by")
