"""Answers as JSON."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from flask import Response

from functions.billing_api.bodies import JSON
from functions.billing_api.schemas.common import Answer

# Pydantic would write a Decimal as text or through float; this writes its digits.
_encoder = msgspec.json.Encoder(decimal_format="number")
_Row = TypeVar("_Row")


def answer(content: Answer, status: int = 200) -> Response:
    return Response(_encoder.encode(content.model_dump()), status, content_type=JSON)


def page(
    rows: Sequence[_Row], limit: int, cursor: Callable[[_Row], str]
) -> tuple[Sequence[_Row], str | None]:
    """The first `limit` of up to one row more, and the cursor behind them where there is more."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor(rows[limit - 1])
