"""What endpoints have served, and which of their requests are retried."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("retry", sa.String(16), nullable=False, server_default="UNSENT"))
    op.create_table(
        "endpoint_revisions",
        sa.Column("endpoint", sa.String(256), nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "number", name="pk_endpoint_revisions"),
    )


def downgrade() -> None:
    op.drop_table("endpoint_revisions")
    op.drop_column("endpoints", "retry")
