"""The deployer's tables."""

from __future__ import annotations

import sqlalchemy as sa
from kea_core.audit_outbox import audit_table
from kea_core.change_feed import feed_tables
from kea_core.database import NAMING
from kea_core.idempotency import request_table

METADATA = sa.MetaData(naming_convention=NAMING)
FEED = feed_tables(METADATA)
AUDIT_EVENTS = audit_table(METADATA)
REQUESTS = request_table(METADATA)

DEPLOYMENTS = sa.Table(
    "deployments",
    METADATA,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False, index=True),
    sa.Column("model", sa.JSON, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("replica_count", sa.Integer, nullable=False),
    sa.Column("wanted_revision", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reconciling", sa.Boolean, nullable=False),
    sa.Column("step", sa.String(256), nullable=False),
    sa.Column("conditions", sa.JSON, nullable=False),
    sa.Column("image", sa.String(512), nullable=False, server_default=""),
    sa.Column("pod_template", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("autoscaling", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("managed_by", sa.String(320), nullable=False, server_default=""),
    sa.Column("prebuilt_image", sa.String(512), nullable=False, server_default=""),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
)
"""A row per deployment. The model version never changes, so what is needed of it is kept here: a registry that is away
keeps no replica from starting."""

REPLICAS = sa.Table(
    "replicas",
    METADATA,
    sa.Column("id", sa.String(253), primary_key=True),
    sa.Column("deployment", sa.String(256), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("http_address", sa.String(256), nullable=False),
    sa.Column("grpc_address", sa.String(256), nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("process_time", sa.Float, nullable=False),
    sa.Column("restart_count", sa.Integer, nullable=False),
    sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
    sa.Column("restart_time", sa.DateTime(timezone=True), nullable=True),
)
"""A row per process or pod: what a deployer that comes back needs to find it."""

OPERATIONS = sa.Table(
    "operations",
    METADATA,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False, index=True),
    sa.Column("deployment", sa.String(256), nullable=False, index=True),
    sa.Column("verb", sa.String(16), nullable=False),
    sa.Column("done", sa.Boolean, nullable=False),
    sa.Column("error_reason", sa.String(64), nullable=False),
    sa.Column("error_message", sa.Text, nullable=False),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
)
"""A row per operation."""

BUILDS = sa.Table(
    "builds",
    METADATA,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False, index=True),
    sa.Column("operation", sa.String(256), nullable=False, index=True),
    sa.Column("model", sa.JSON, nullable=False),
    sa.Column("platforms", sa.JSON, nullable=False),
    sa.Column("destination", sa.String(512), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
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
)
"""A row per build, which is also its operation."""
