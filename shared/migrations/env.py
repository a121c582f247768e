"""How Alembic reaches the database: psycopg by libpq URL, one transaction, one migrator at a time."""

import psycopg
from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

_MIGRATION_LOCK = 0x6661_6173

database_url: str = context.config.attributes["database_url"]
engine = create_engine(
    "postgresql+psycopg://", creator=lambda: psycopg.connect(database_url), poolclass=NullPool
)
with engine.connect() as connection:
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    context.configure(connection=connection, transactional_ddl=True)
    context.run_migrations()
    connection.commit()
engine.dispose()
