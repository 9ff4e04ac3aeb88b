"""The router's tables."""

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

ENDPOINTS = sa.Table(
    "endpoints",
    METADATA,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False, index=True),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("timeout_seconds", sa.Float, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("managed_by", sa.String(320), nullable=False, server_default=""),
    sa.Column("retry", sa.String(16), nullable=False, server_default="UNSENT"),
    sa.Column("limits", sa.JSON, nullable=False, server_default="{}"),
)
"""A row per endpoint. Targets are a part of it, read and written as a whole, so they are one JSON value."""

REVISIONS = sa.Table(
    "endpoint_revisions",
    METADATA,
    sa.Column("endpoint", sa.String(256), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
)
"""A row per revision of an endpoint."""

PROJECT_LIMITS = sa.Table(
    "project_limits",
    METADATA,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("total", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("max_concurrent_requests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
)
"""A row per project whose limits were ever set."""
