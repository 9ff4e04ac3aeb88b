"""Users, sessions and device grants."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TIME = sa.DateTime(timezone=True)
USER_ID = sa.String(127).with_variant(sa.String(127, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", USER_ID, nullable=False),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=True),
        sa.Column("subject", sa.String(255), nullable=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("uid", name="uq_users_uid"),
        sa.UniqueConstraint("issuer", "subject", name="uq_users_issuer"),
    )
    op.create_table(
        "sessions",
        sa.Column("session", sa.String(64), nullable=False),
        sa.Column("user_id", USER_ID, nullable=False, index=True),
        sa.Column("provider", sa.String(63), nullable=False),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("family_hash", sa.String(64), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("rotate_time", TIME, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("expire_time", TIME, nullable=False, index=True),
        sa.Column("provider_grant", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id_users"),
    )
    op.create_table(
        "device_grants",
        sa.Column("device_hash", sa.String(64), nullable=False),
        sa.Column("user_code", sa.String(16), nullable=False),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("user_id", USER_ID, nullable=False),
        sa.Column("provider", sa.String(63), nullable=False),
        sa.Column("provider_grant", sa.Text, nullable=False),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column("poll_time", TIME, nullable=True),
        sa.Column("expire_time", TIME, nullable=False, index=True),
        sa.PrimaryKeyConstraint("device_hash", name="pk_device_grants"),
        sa.UniqueConstraint("user_code", name="uq_device_grants_user_code"),
    )


def downgrade() -> None:
    for table in ("device_grants", "sessions", "users"):
        op.drop_table(table)
