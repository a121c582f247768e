"""The database schema, as a chain of Alembic migrations."""

from pathlib import Path


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database at `database_url` (libpq) to the newest schema; several may call it at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    command.upgrade(config, revision)
