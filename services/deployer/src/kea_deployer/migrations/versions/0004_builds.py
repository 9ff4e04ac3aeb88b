"""Builds of images."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "builds",
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(256), nullable=False),
        sa.Column("model", sa.JSON, nullable=False),
        sa.Column("platforms", sa.JSON, nullable=False),
        sa.Column("destination", sa.String(512), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.String(256), nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("image", sa.String(512), nullable=False),
        sa.Column("base", sa.String(512), nullable=False),
        sa.Column("locks", sa.JSON, nullable=False),
        sa.Column("bytes_pushed", sa.BigInteger, nullable=False),
        sa.Column("error_reason", sa.String(64), nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_builds"),
    )
    for column in ("project", "operation", "state"):
        op.create_index(f"ix_builds_{column}", "builds", [column])


def downgrade() -> None:
    op.drop_table("builds")
