"""What the schemas share: inputs and answers, times, numbers and pages."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from eventing.usage.instants import instant
from eventing.usage.wrong import Wrong
from shared.domain.usage import TEXT_MAX

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
_LATEST = datetime(9_000, 1, 1, tzinfo=UTC)
"""Before the end of the calendar by more than any window or month."""
_DECIMAL_TEXT = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}


class Input(BaseModel):
    """What a client sends: fields that are not named here are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # flask-openapi3 asks for it in every request, which takes as long as the rest of the request.
        return super().model_json_schema(*args, **kwargs) if args or kwargs else _schema_of(cls)


@cache
def _schema_of(model: type[Input]) -> dict[str, Any]:
    return super(Input, model).model_json_schema()


class Answer(BaseModel):
    """What the API answers."""

    model_config = ConfigDict(frozen=True, from_attributes=True, defer_build=True)


def read_instant(value: object) -> datetime:
    """An RFC 3339 date-time as an instant in UTC, truncated to microseconds, of the years 2000 to 8999.

    Raises ValueError.
    """
    text = value if isinstance(value, str) else ""
    try:
        at = instant(text)
    except Wrong as wrong:
        raise ValueError(f"{wrong} (in a query, write + as %2B)" if " " in text else str(wrong)) from None
    if at >= _LATEST:
        raise ValueError(f"lies after the year {_LATEST.year - 1}")
    return at


def plain(number: Decimal) -> str:
    """All digits of a number and no zeros behind them."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _instant_text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(number: Decimal) -> Decimal | int:
    return int(number) if number == number.to_integral_value() else Decimal(plain(number))


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    return text


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number or a decimal string")
    return value


Instant = Annotated[
    datetime,
    BeforeValidator(read_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "example": "2025-10-15T12:00:00Z"}),
]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX), AfterValidator(_no_nul)]
TenantRef = Annotated[Text, Field(description="A tenant's UUID, slug or alias.")]
Size = Annotated[
    Decimal,
    BeforeValidator(_no_bool),
    Field(gt=0, lt=10**12, decimal_places=6),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _DECIMAL_TEXT]}),
]

Time = Annotated[
    datetime,
    PlainSerializer(_instant_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Money = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str),
    WithJsonSchema(_DECIMAL_TEXT, mode="serialization"),
]
"""A rounded amount, with as many digits after the point as its currency has."""
Exact = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(_DECIMAL_TEXT, mode="serialization"),
]
"""A price or a quantity that is billed."""
DecimalText = Annotated[str, WithJsonSchema(_DECIMAL_TEXT)]
"""The same, as text already."""
Number = Annotated[
    Decimal,
    PlainSerializer(_number, return_type=Any),
    WithJsonSchema({"type": "number"}, mode="serialization"),
]
"""A figure that is shown and not billed: a JSON number, whole where it is whole."""

Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """A part of a list, in a fixed order; `next_cursor` leads to the next part, null where there is none."""

    items: list[Item]
    next_cursor: str | None


class PageQuery(Input):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[
        str | None, Field(max_length=512, description="The next_cursor of the page before.")
    ] = None
