"""The prices of a plan on the wire, by kind. A field that a price does not have is absent."""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from functions.billing_api.schemas.common import Answer, Exact
from shared.domain.rating.kinds import Price as DomainPrice


def is_empty(value: object) -> bool:
    """Whether a field is left out of an answer."""
    return not value


Name = Annotated[str, Field(description="What later prices call this one.", exclude_if=is_empty)]
Meter = Annotated[str, Field(description="Absent where `meters` are given.", exclude_if=is_empty)]
Meters = Annotated[
    tuple[str, ...],
    Field(description="Meters of one unit, counted together instead of `meter`.", exclude_if=is_empty),
]
Scope = Annotated[
    tuple[str, ...],
    Field(description="Names of earlier prices; absent for all of them.", exclude_if=is_empty),
]


class Tier(Answer):
    """From more than the `up_to` of the tier before up to `up_to`, inclusive; null for the last one."""

    up_to: Exact | None
    amount: Annotated[Exact, Field(description="For every `per` units.")]
    per: Exact
    flat: Annotated[Exact, Field(description="Once a calendar month in which the tier is reached.")]


class PerUnitPrice(Answer):
    """`amount` for every `per` units of `meter`, beyond the first `included` of each calendar month."""

    kind: Literal["per_unit"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    amount: Exact
    per: Exact
    included: Exact


class GraduatedPrice(Answer):
    """Each unit of a calendar month costs what the tier that it lies in says. A line for each tier."""

    kind: Literal["graduated"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    tiers: tuple[Tier, ...]


class VolumePrice(Answer):
    """All units of a calendar month cost what the tier says that their sum lies in. A line for each tier.

    Where usage moves on to another tier, the line of the one left is negative.
    """

    kind: Literal["volume"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    tiers: tuple[Tier, ...]


class PackagePrice(Answer):
    """`amount` for every started package of `size` units, beyond the first `included` of each month."""

    kind: Literal["package"]
    name: Name = ""
    meter: str
    amount: Exact
    size: Exact
    included: Exact


class ReservedPrice(Answer):
    """`amount` for every `per` of `quantity` units a calendar month, used or not; `overage` beyond them.

    The commitment accrues by seconds.
    """

    kind: Literal["reserved"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    quantity: Exact
    amount: Exact
    overage: Exact
    per: Exact


class FlatPrice(Answer):
    """`amount` for each calendar month whatever is used, accruing by seconds."""

    kind: Literal["flat"]
    name: Name = ""
    amount: Exact


class LicensedPrice(Answer):
    """`amount` for each of `quantity` seats in a calendar month, whatever is used."""

    kind: Literal["licensed"]
    name: Name = ""
    quantity: Exact
    amount: Exact
    prorated_by: Annotated[
        Literal["seconds", "days", "fixed_30"],
        Field(description="The seconds or the days of the month, or days of a month of 30."),
    ]


class PercentagePrice(Answer):
    """`percent` of the unrounded charges of earlier prices."""

    kind: Literal["percentage"]
    name: Name = ""
    percent: Exact
    of: Scope = ()


class MinimumSpendPrice(Answer):
    """What earlier prices lack of `minimum` in a calendar month, charged where the month ends."""

    kind: Literal["minimum_spend"]
    name: Name = ""
    minimum: Exact
    of: Scope = ()


class MaximumSpendPrice(Answer):
    """Gives back what earlier prices charge over `maximum` in a calendar month. Its lines are negative."""

    kind: Literal["maximum_spend"]
    name: Name = ""
    maximum: Exact
    of: Scope = ()


class FreeValuePrice(Answer):
    """Gives back what `included` units cost in the first tier of the first price of `of`.

    No more than the prices of `of` charge. Its lines are negative.
    """

    kind: Literal["free_value"]
    name: Name = ""
    included: Exact
    of: Scope = ()


Price = Annotated[
    PerUnitPrice
    | GraduatedPrice
    | VolumePrice
    | PackagePrice
    | ReservedPrice
    | FlatPrice
    | LicensedPrice
    | PercentagePrice
    | MinimumSpendPrice
    | MaximumSpendPrice
    | FreeValuePrice,
    Field(discriminator="kind"),
]
_ADAPTER: Final[TypeAdapter[Price]] = TypeAdapter(Price)


def price_of(price: DomainPrice) -> Price:
    return _ADAPTER.validate_python(price, from_attributes=True)
