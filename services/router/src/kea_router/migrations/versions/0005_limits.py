"""What endpoints and projects take at most."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("limits", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "project_limits",
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("total", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", name="pk_project_limits"),
    )


def downgrade() -> None:
    op.drop_table("project_limits")
    op.drop_column("endpoints", "limits")
