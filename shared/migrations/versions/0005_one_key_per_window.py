"""A window refers to its revision, and by it to the service: one look-up for each new window, not two."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
    ALTER TABLE revision ADD UNIQUE (tenant_id, service_id, id);
    ALTER TABLE usage_aggregate
        DROP CONSTRAINT usage_aggregate_tenant_id_service_id_fkey,
        DROP CONSTRAINT usage_aggregate_tenant_id_revision_id_fkey,
        ADD FOREIGN KEY (tenant_id, service_id, revision_id) REFERENCES revision (tenant_id, service_id, id);
    """)
