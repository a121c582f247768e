"""Every kind of price there is. A new kind is a file of its own and two lines here."""

from collections.abc import Mapping
from typing import Final

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.flat import Flat
from shared.domain.rating.free_value import FreeValue
from shared.domain.rating.graduated import Graduated
from shared.domain.rating.licensed import Licensed
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.package import Package
from shared.domain.rating.per_event import PerEvent
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage
from shared.domain.rating.reserved import Reserved
from shared.domain.rating.volume import Volume

Price = (
    PerUnit
    | Graduated
    | Volume
    | Package
    | Reserved
    | Flat
    | Licensed
    | Percentage
    | PerEvent
    | MinimumSpend
    | MaximumSpend
    | FreeValue
)
"""Any price: a frozen value with `kind`, `name`, `read`, `to_dict` and `charges`."""

_KINDS: Final[tuple[type[Price], ...]] = (
    PerUnit,
    Graduated,
    Volume,
    Package,
    Reserved,
    Flat,
    Licensed,
    Percentage,
    PerEvent,
    MinimumSpend,
    MaximumSpend,
    FreeValue,
)
PRICE_KINDS: Final[Mapping[str, type[Price]]] = {kind.kind: kind for kind in _KINDS}


def read_price(value: object, path: str) -> Price:
    """The price that the JSON object at `path` describes. Raises Rejected with every fault."""
    document = Document(value, path)
    kind = PRICE_KINDS.get(document.text("kind"))
    if kind is None:
        document.fault("kind", f"no such kind of price; known are {', '.join(PRICE_KINDS)}")
        raise Rejected(*document.faults)
    return kind.read(document)
