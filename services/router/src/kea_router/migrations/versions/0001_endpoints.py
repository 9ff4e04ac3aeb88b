"""Endpoints, change feed, seen requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "endpoints",
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("allowed_roles", sa.JSON, nullable=False),
        sa.Column("timeout_seconds", sa.Float, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_endpoints"),
    )
    op.create_index("ix_endpoints_project", "endpoints", ["project"])
    op.create_table(
        "requests",
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("result", sa.String(512), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", "request_id", name="pk_requests"),
    )
    op.create_index("ix_requests_create_time", "requests", ["create_time"])
    head = op.create_table(
        "change_feed_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("horizon", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_feed_head"),
    )
    op.bulk_insert(head, [{"id": 1, "revision": 0, "horizon": 0}])
    op.create_table(
        "change_feed",
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("collection", "name", name="pk_change_feed"),
        sa.UniqueConstraint("revision", name="uq_change_feed_revision"),
    )


def downgrade() -> None:
    for table in ("change_feed", "change_feed_head", "requests", "endpoints"):
        op.drop_table(table)
