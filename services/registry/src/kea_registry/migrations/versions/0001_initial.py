"""Models, versions, aliases, archives, requests and the change feed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)
ID = sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("project", ID, nullable=False),
        sa.Column("model", ID, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("latest_version", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("project", "model", name="pk_models"),
    )
    op.create_table(
        "version_counters",
        sa.Column("project", ID, nullable=False),
        sa.Column("model", ID, nullable=False),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("project", "model", name="pk_version_counters"),
    )
    op.create_table(
        "artifacts",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_artifacts"),
    )
    op.create_table(
        "artifact_claims",
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, index=True),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("claim", name="pk_artifact_claims"),
        sa.ForeignKeyConstraint(["sha256"], ["artifacts.sha256"], name="fk_artifact_claims_sha256_artifacts"),
    )
    op.create_table(
        "model_versions",
        sa.Column("project", ID, nullable=False),
        sa.Column("model", ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("framework", sa.String(32), nullable=False),
        sa.Column("entrypoint", sa.Text, nullable=False),
        sa.Column("signature", sa.JSON, nullable=False),
        sa.Column("requirements", sa.JSON, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, index=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project", "model", "number", name="pk_model_versions"),
        sa.ForeignKeyConstraint(["sha256"], ["artifacts.sha256"], name="fk_model_versions_sha256_artifacts"),
        sa.ForeignKeyConstraint(
            ["project", "model"], ["models.project", "models.model"], name="fk_model_versions_project_models"
        ),
    )
    op.create_table(
        "model_aliases",
        sa.Column("project", ID, nullable=False),
        sa.Column("model", ID, nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("project", "model", "alias", name="pk_model_aliases"),
        sa.ForeignKeyConstraint(
            ["project", "model", "number"],
            ["model_versions.project", "model_versions.model", "model_versions.number"],
            name="fk_model_aliases_project_model_versions",
        ),
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
        sa.Column("time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("collection", "name", name="pk_change_feed"),
        sa.UniqueConstraint("revision", name="uq_change_feed_revision"),
    )


def downgrade() -> None:
    for table in (
        "change_feed",
        "change_feed_head",
        "requests",
        "model_aliases",
        "model_versions",
        "artifact_claims",
        "artifacts",
        "version_counters",
        "models",
    ):
        op.drop_table(table)
