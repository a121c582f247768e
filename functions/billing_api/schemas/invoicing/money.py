"""What everything that moves money shares on the wire."""

from typing import Annotated

from pydantic import Field

from functions.billing_api.schemas.common import Input, Text
from functions.billing_api.schemas.questions import Factor
from shared.domain.usage import TEXT_MAX

Amount = Annotated[Factor, Field(description="A decimal string with no more digits than the currency has.")]
"""More than zero; the domain says so with the currency's name."""


class IdempotencyHeaders(Input, extra="ignore"):
    idempotency_key: Annotated[
        str | None,
        Field(
            alias="Idempotency-Key",
            min_length=1,
            max_length=TEXT_MAX,
            pattern=r"^[\x20-\x7e]+$",
            description="Names the request: the same key and content again are answered alike and change "
            "nothing, the same key with other content is refused.",
        ),
    ] = None


class Reason(Input):
    reason: Annotated[Text, Field(description="For people who look at it later.")]


class PartialAmount(Reason):
    """All of it where no amount is given."""

    amount: Amount | None = None
