"""Images, and replicas that are pods."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("deployments", sa.Column("image", sa.String(512), nullable=False, server_default=""))
    with op.batch_alter_table("replicas") as replicas:
        replicas.alter_column("id", existing_type=sa.String(16), type_=sa.String(253), existing_nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("replicas") as replicas:
        replicas.alter_column("id", existing_type=sa.String(253), type_=sa.String(16), existing_nullable=False)
    op.drop_column("deployments", "image")
