"""Roles, bindings, service accounts, API keys, revocations and requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)
ID = sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql")
RESOURCE = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "roles",
        sa.Column("role", ID, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("permissions", sa.JSON, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("role", name="pk_roles"),
    )
    op.create_table(
        "bindings",
        sa.Column("binding", ID, nullable=False),
        sa.Column("member", sa.String(256), nullable=False, index=True),
        sa.Column("role", ID, nullable=False, index=True),
        sa.Column("resource", RESOURCE, nullable=False, index=True),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("binding", name="pk_bindings"),
    )
    op.create_table(
        "service_accounts",
        sa.Column("service_account", ID, nullable=False),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("service_account", name="pk_service_accounts"),
        sa.UniqueConstraint("uid", name="uq_service_accounts_uid"),
    )
    op.create_table(
        "api_keys",
        sa.Column("api_key", ID, nullable=False),
        sa.Column("service_account", ID, nullable=False, index=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("expire_time", TIME, nullable=False, index=True),
        sa.Column("revoke_time", TIME, nullable=True),
        sa.PrimaryKeyConstraint("api_key", name="pk_api_keys"),
        sa.ForeignKeyConstraint(
            ["service_account"],
            ["service_accounts.service_account"],
            name="fk_api_keys_service_account_service_accounts",
        ),
    )
    op.create_table(
        "revocations",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("expire_time", TIME, nullable=True, index=True),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("creator", sa.String(256), nullable=False, index=True),
        sa.PrimaryKeyConstraint("id", name="pk_revocations"),
    )
    op.create_table(
        "requests",
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("result", sa.String(512), nullable=False),
        sa.Column("create_time", TIME, nullable=False, index=True),
        sa.PrimaryKeyConstraint("subject", "request_id", name="pk_requests"),
    )


def downgrade() -> None:
    for table in ("requests", "revocations", "api_keys", "service_accounts", "bindings", "roles"):
        op.drop_table(table)
