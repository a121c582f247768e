"""Every kind of price there is. A new kind is a file of its own and one line here."""

from collections.abc import Mapping
from typing import Final

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.per_unit import PerUnit

Price = PerUnit
"""Any price: a frozen value with `kind`, `read`, `to_dict` and `charges`. A union, once there are more."""

PRICE_KINDS: Final[Mapping[str, type[Price]]] = {kind.kind: kind for kind in (PerUnit,)}


def read_price(value: object, path: str) -> Price:
    """The price that the JSON object at `path` describes. Raises Rejected with every fault."""
    document = Document(value, path)
    kind = PRICE_KINDS.get(document.text("kind"))
    if kind is None:
        document.fault("kind", f"no such kind of price; known are {', '.join(PRICE_KINDS)}")
        raise Rejected(*document.faults)
    return kind.read(document)
