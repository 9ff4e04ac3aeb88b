"""Auth's tables."""

from __future__ import annotations

import sqlalchemy as sa
from kea_core.change_feed import feed_tables
from kea_core.database import NAMING

METADATA = sa.MetaData(naming_convention=NAMING)

SIGNING_KEYS = sa.Table(
    "signing_keys",
    METADATA,
    # The number as key is what lets one of two processes only make the first key, or the next.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kid", sa.String(64), nullable=False, unique=True),
    sa.Column("private_bytes", sa.LargeBinary(32), nullable=False),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("activate_time", sa.DateTime(timezone=True), nullable=False),
)

FEED = feed_tables(METADATA)
