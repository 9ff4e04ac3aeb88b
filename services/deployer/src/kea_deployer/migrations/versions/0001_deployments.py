"""Deployments, replicas, operations, change feed, seen requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "deployments",
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("model", sa.JSON, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("replica_count", sa.Integer, nullable=False),
        sa.Column("wanted_revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reconciling", sa.Boolean, nullable=False),
        sa.Column("step", sa.String(256), nullable=False),
        sa.Column("conditions", sa.JSON, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_deployments"),
    )
    op.create_index("ix_deployments_project", "deployments", ["project"])
    op.create_table(
        "replicas",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("deployment", sa.String(256), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("http_address", sa.String(256), nullable=False),
        sa.Column("grpc_address", sa.String(256), nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("process_time", sa.Float, nullable=False),
        sa.Column("restart_count", sa.Integer, nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restart_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replicas"),
    )
    op.create_index("ix_replicas_deployment", "replicas", ["deployment"])
    op.create_table(
        "operations",
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("deployment", sa.String(256), nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("error_reason", sa.String(64), nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_operations"),
    )
    op.create_index("ix_operations_project", "operations", ["project"])
    op.create_index("ix_operations_deployment", "operations", ["deployment"])
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
    for table in ("change_feed", "change_feed_head", "requests", "operations", "replicas", "deployments"):
        op.drop_table(table)
