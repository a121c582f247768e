"""How much has ever been defined and declared: asked for anew every few seconds, for all who go by it."""

from time import monotonic
from typing import NamedTuple

from shared.adapters.postgres.pool import Database
from shared.domain.dimensions import KNOWN_FOR_S


class Known(NamedTuple):
    """How often meters were added, and dimensions declared."""

    meters: int = 0
    dimensions: int = 0


class Registry:
    """Whoever is told less than there is was told so at most `refresh_s` ago."""

    def __init__(self, database: Database, *, refresh_s: float = KNOWN_FOR_S) -> None:
        self._database = database
        self._refresh_s = refresh_s
        self._read = float("-inf"), Known()

    def known(self) -> Known:
        """Raises Unavailable where what is known is too old, and none can be asked for."""
        asked_at, known = self._read
        if monotonic() - asked_at < self._refresh_s:
            return known
        # Before it is asked for: what is declared meanwhile may or may not be in the answer.
        asked_at = monotonic()
        with self._database.statement() as connection:
            row = connection.execute("SELECT revision, dimensions FROM meter_registry").fetchone()
        assert row is not None, "the table has one row"
        known = Known(*row)
        self._read = asked_at, known
        return known
