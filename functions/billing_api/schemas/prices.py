"""The prices of a plan on the wire, by kind. A field that a price does not have is absent."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from functions.billing_api.schemas.common import Answer, Exact
from shared.domain.rating.kinds import Price as DomainPrice

_CLOCK: Final = r"^([01]\d|2[0-3]):[0-5]\d$"


def is_absent(value: object) -> bool:
    """Whether a field that may be zero is left out of an answer."""
    return value is None


def is_empty(value: object) -> bool:
    """Whether a field is left out of an answer."""
    return not value


Name = Annotated[str, Field(description="What later prices call this one.", exclude_if=is_empty)]
Meter = Annotated[str, Field(description="Absent where `meters` are given.", exclude_if=is_empty)]
Meters = Annotated[
    tuple[str, ...],
    Field(description="Meters of one unit, counted together instead of `meter`.", exclude_if=is_empty),
]
OptionalExact = Annotated[Exact | None, Field(exclude_if=is_absent)]
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


class Band(Answer):
    """From a time of day up to another, of the next day where that is not later, by clocks of the tenant's
    zone. It begins on `weekdays`."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: str
    start: Annotated[str, Field(alias="from", pattern=_CLOCK)]
    end: Annotated[str, Field(alias="to", pattern=_CLOCK)]
    weekdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]


class CountingPrice(Answer):
    """Which part of its meters a price counts; all where nothing is said."""

    model_config = ConfigDict(serialize_by_alias=True)

    band: Annotated[Band | None, Field(description="Only what is used in it.", exclude_if=is_empty)] = None
    where: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="Only usage with these values of dimensions.", exclude_if=is_empty),
    ] = {}
    without: Annotated[
        dict[str, tuple[str, ...]],
        Field(alias="except", description="No usage with these.", exclude_if=is_empty),
    ] = {}


class PerUnitPrice(CountingPrice):
    """`amount` for every `per` units of `meter`, beyond the first `included` of each calendar month."""

    kind: Literal["per_unit"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    amount: Exact
    per: Exact
    included: Exact


class GraduatedPrice(CountingPrice):
    """Each unit of a calendar month costs what the tier that it lies in says. A line for each tier."""

    kind: Literal["graduated"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    tiers: tuple[Tier, ...]


class VolumePrice(CountingPrice):
    """All units of a calendar month cost what the tier says that their sum lies in. A line for each tier.

    Where usage moves on to another tier, the line of the one left is negative.
    """

    kind: Literal["volume"]
    name: Name = ""
    meter: Meter = ""
    meters: Meters = ()
    tiers: tuple[Tier, ...]


class PackagePrice(CountingPrice):
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


class PerEventPrice(Answer):
    """`percent` of the value of each event of a custom meter with a ledger, and `fixed`.

    In order of time, the events of a calendar month are free until there were `free_events`, or until they
    came to `free_amount`, whichever comes first. A field that is absent limits nothing.
    """

    kind: Literal["per_event"]
    name: Name = ""
    meter: str
    percent: Exact
    fixed: Exact
    free_events: OptionalExact = None
    free_amount: OptionalExact = None
    minimum: Annotated[OptionalExact, Field(description="The least that an event costs.")] = None
    maximum: Annotated[OptionalExact, Field(description="The most that an event costs.")] = None


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
    | PerEventPrice
    | MinimumSpendPrice
    | MaximumSpendPrice
    | FreeValuePrice,
    Field(discriminator="kind"),
]
_ADAPTER: Final[TypeAdapter[Price]] = TypeAdapter(Price)


def price_of(price: DomainPrice) -> Price:
    return _ADAPTER.validate_python(price.to_dict())
