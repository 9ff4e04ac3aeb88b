"""The registry's tables."""

from __future__ import annotations

import sqlalchemy as sa
from kea_core.audit_outbox import audit_table
from kea_core.change_feed import feed_tables
from kea_core.database import NAMING
from kea_core.idempotency import request_table

METADATA = sa.MetaData(naming_convention=NAMING)

TIME = sa.DateTime(timezone=True)
# Sorted by bytes, as names are compared everywhere else; SQLite does so by itself.
ID = sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql")

MODELS = sa.Table(
    "models",
    METADATA,
    sa.Column("project", ID, primary_key=True),
    sa.Column("model", ID, primary_key=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("latest_version", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("update_time", TIME, nullable=False),
    sa.Column("managed_by", sa.String(320), nullable=False, server_default=""),
)

# Apart from the models, because numbers are not used again even where a model is deleted and made anew.
VERSION_COUNTERS = sa.Table(
    "version_counters",
    METADATA,
    sa.Column("project", ID, primary_key=True),
    sa.Column("model", ID, primary_key=True),
    sa.Column("last_number", sa.BigInteger, nullable=False),
)

# A row per archive that is, or is about to be, in the artifact store. Rows of versions and claims refer to it, so the
# database itself refuses to let one go that is needed.
ARTIFACTS = sa.Table("artifacts", METADATA, sa.Column("sha256", sa.String(64), primary_key=True))

ARTIFACT_CLAIMS = sa.Table(
    "artifact_claims",
    METADATA,
    sa.Column("claim", sa.String(32), primary_key=True),
    sa.Column("sha256", sa.String(64), sa.ForeignKey(ARTIFACTS.c.sha256), nullable=False, index=True),
    sa.Column("create_time", TIME, nullable=False),
)

MODEL_VERSIONS = sa.Table(
    "model_versions",
    METADATA,
    sa.Column("project", ID, primary_key=True),
    sa.Column("model", ID, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("framework", sa.String(32), nullable=False),
    sa.Column("entrypoint", sa.Text, nullable=False),
    sa.Column("signature", sa.JSON, nullable=False),
    sa.Column("requirements", sa.JSON, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), sa.ForeignKey(ARTIFACTS.c.sha256), nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("create_time", TIME, nullable=False),
    sa.Column("creator", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["project", "model"], [MODELS.c.project, MODELS.c.model]),
)

MODEL_ALIASES = sa.Table(
    "model_aliases",
    METADATA,
    sa.Column("project", ID, primary_key=True),
    sa.Column("model", ID, primary_key=True),
    sa.Column("alias", sa.String(63), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["project", "model", "number"],
        [MODEL_VERSIONS.c.project, MODEL_VERSIONS.c.model, MODEL_VERSIONS.c.number],
    ),
)

REQUESTS = request_table(METADATA)
FEED = feed_tables(METADATA)
AUDIT_EVENTS = audit_table(METADATA)
