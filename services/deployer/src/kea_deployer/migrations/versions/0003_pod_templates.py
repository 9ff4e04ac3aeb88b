"""What is asked of a cluster for replicas, their scaling, who manages a deployment, and images of others' making."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("deployments", sa.Column("pod_template", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("deployments", sa.Column("autoscaling", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("deployments", sa.Column("managed_by", sa.String(320), nullable=False, server_default=""))
    op.add_column("deployments", sa.Column("prebuilt_image", sa.String(512), nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("prebuilt_image", "managed_by", "autoscaling", "pod_template"):
        op.drop_column("deployments", name)
