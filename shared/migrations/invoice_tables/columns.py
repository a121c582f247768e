"""What the columns of the tables of invoices have in common."""

from typing import Final

MONEY: Final = "numeric(38, 18) NOT NULL"
CURRENCY: Final = "text NOT NULL REFERENCES currency"


def on_grid(column: str) -> str:
    """The condition that an instant lies on the 5-minute grid."""
    return f"(isfinite({column}) AND extract(epoch FROM {column}) % 300 = 0)"
