"""Auth's tables."""

from __future__ import annotations

import sqlalchemy as sa
from kea_core.audit_outbox import audit_table
from kea_core.change_feed import feed_tables
from kea_core.database import NAMING
from kea_core.idempotency import request_table

METADATA = sa.MetaData(naming_convention=NAMING)

TIME = sa.DateTime(timezone=True)


def sorted_by_bytes(length: int) -> sa.types.TypeEngine[str]:
    """Returns a string type that is sorted as names are compared everywhere else; SQLite does so by itself."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


ID = sorted_by_bytes(63)

SIGNING_KEYS = sa.Table(
    "signing_keys",
    METADATA,
    # The number as key is what lets one of two processes only make the first key, or the next.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kid", sa.String(64), nullable=False, unique=True),
    sa.Column("private_bytes", sa.LargeBinary(32), nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("activate_time", TIME, nullable=False),
)

# Those that KEA comes with are not among them, so no other table refers to these.
ROLES = sa.Table(
    "roles",
    METADATA,
    sa.Column("role", ID, primary_key=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("permissions", sa.JSON, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("update_time", TIME, nullable=False),
)

BINDINGS = sa.Table(
    "bindings",
    METADATA,
    # It follows from member, role and resource, so that there are no two that say the same.
    sa.Column("binding", ID, primary_key=True),
    sa.Column("member", sa.String(256), nullable=False, index=True),
    sa.Column("role", ID, nullable=False, index=True),
    sa.Column("resource", sorted_by_bytes(512), nullable=False, index=True),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("creator", sa.Text, nullable=False),
)

SERVICE_ACCOUNTS = sa.Table(
    "service_accounts",
    METADATA,
    sa.Column("service_account", ID, primary_key=True),
    sa.Column("uid", sa.String(36), nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("update_time", TIME, nullable=False),
)

# What keys were made of, not the keys: whoever reads these can use none.
API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("api_key", ID, primary_key=True),
    sa.Column("service_account", ID, sa.ForeignKey(SERVICE_ACCOUNTS.c.service_account), nullable=False, index=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    # Not a reference: a signing key that only a revoked key needs may go.
    sa.Column("kid", sa.String(64), nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("expire_time", TIME, nullable=False, index=True),
    sa.Column("revoke_time", TIME, nullable=True),
)

REVOCATIONS = sa.Table(
    "revocations",
    METADATA,
    # A token's, a session's or an account's, which may be gone or were never kept.
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("expire_time", TIME, nullable=True, index=True),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("creator", sa.String(256), nullable=False, index=True),
)

USER_ID = sorted_by_bytes(127)

USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("user_id", USER_ID, primary_key=True),
    sa.Column("uid", sa.String(36), nullable=False, unique=True),
    sa.Column("issuer", sa.String(512), nullable=True),
    sa.Column("subject", sa.String(255), nullable=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("update_time", TIME, nullable=False),
    sa.UniqueConstraint("issuer", "subject"),
)

# Digests of refresh tokens, and what identity providers gave: as private as the signing keys beside them.
SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("session", sa.String(64), primary_key=True),
    sa.Column("user_id", USER_ID, sa.ForeignKey(USERS.c.user_id), nullable=False, index=True),
    sa.Column("provider", sa.String(63), nullable=False),
    sa.Column("client", sa.String(63), nullable=False),
    sa.Column("family_hash", sa.String(64), nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("rotate_time", TIME, nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("expire_time", TIME, nullable=False, index=True),
    sa.Column("provider_grant", sa.Text, nullable=False),
)

DEVICES = sa.Table(
    "device_grants",
    METADATA,
    sa.Column("device_hash", sa.String(64), primary_key=True),
    sa.Column("user_code", sa.String(16), nullable=False, unique=True),
    sa.Column("client", sa.String(63), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("user_id", USER_ID, nullable=False),
    sa.Column("provider", sa.String(63), nullable=False),
    sa.Column("provider_grant", sa.Text, nullable=False),
    sa.Column("interval_seconds", sa.Integer, nullable=False),
    sa.Column("poll_time", TIME, nullable=True),
    sa.Column("expire_time", TIME, nullable=False, index=True),
)

REQUESTS = request_table(METADATA)
FEED = feed_tables(METADATA)
AUDIT_EVENTS = audit_table(METADATA)
POLICY = "policy"
"""The feed's collection of roles, bindings and revocations: one, so that they can be followed in their order."""
