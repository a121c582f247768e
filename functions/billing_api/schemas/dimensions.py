"""Declared dimensions on the wire."""

import json
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from functions.billing_api.schemas.common import Answer, DecimalText, Input, Instant, Money, Time
from shared.domain import dimensions as domain
from shared.domain.dimensions import DECLARED_MAX, OTHER, VALUES_MAX, Declarations
from shared.domain.errors import Rejected
from shared.domain.money import exact_text
from shared.domain.rating.breakdown import Share
from shared.domain.rating.selection import Where
from shared.service import dimensions as service
from shared.service.explain import DimensionsRef

CHANGES_MAX: Final = 100


def _labels(value: object) -> tuple[str, ...]:
    labels = tuple(value.split(",")) if isinstance(value, str) else ()
    if not all(labels) or len(set(labels)) < len(labels) or not 0 < len(labels) <= DECLARED_MAX:
        raise ValueError(f"must name up to {DECLARED_MAX} labels once each, with commas between them")
    return labels


def _where(value: object) -> Where:
    try:
        labels = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        labels = None
    if not isinstance(labels, dict) or not labels:
        raise ValueError('must be a JSON object, such as {"region": "eu"} or {"region": ["eu", "us"]}')
    listed = {label: of if isinstance(of, list) else [of] for label, of in labels.items()}
    if not all(of and all(isinstance(one, str) for one in of) for of in listed.values()):
        raise ValueError("must have texts, or lists of them, as values")
    try:
        return Where(tuple(sorted((label, tuple(sorted(of))) for label, of in listed.items())))
    except Rejected as refusal:
        raise ValueError(str(refusal)) from None


By = Annotated[
    tuple[str, ...],
    BeforeValidator(_labels),
    WithJsonSchema({"type": "string", "example": "region,team"}),
    Field(description="Dimensions whose values are told apart, with commas between them."),
]
WhereQuery = Annotated[
    Where,
    BeforeValidator(_where),
    WithJsonSchema({"type": "string", "example": '{"region": ["eu", "us"]}'}),
    Field(description='Only usage of these values of dimensions; "": of none.'),
]


class DimensionsShare(Answer):
    """What falls to certain values of dimensions, {} where usage had none; `merged`: to so many together."""

    dimensions: dict[str, str] | None
    quantity: Annotated[DecimalText | None, Field(exclude_if=lambda quantity: quantity is None)] = None
    amount: Money
    merged: Annotated[int, Field(exclude_if=lambda merged: not merged)] = 0

    @classmethod
    def of(cls, share: Share) -> Self:
        return cls(
            dimensions=dict(share.key.values) if isinstance(share.key, DimensionsRef) else None,
            quantity=None if share.quantity is None else exact_text(share.quantity),
            amount=share.amount,
            merged=share.merged,
        )


class NewDeclaration(Input):
    """The labels that tell a tenant's usage apart from an instant on, and no others; none: nothing does."""

    dimensions: Annotated[
        list[str],
        Field(description=f"Up to {DECLARED_MAX} labels.", json_schema_extra={"example": ["region", "team"]}),
    ]
    effective_from: Annotated[
        Instant | None,
        Field(
            description="A 5-minute instant, no earlier than the first one that can be, which it is where "
            "left out. What was to take effect then or later is no more."
        ),
    ] = None


class Declaration(Answer):
    """In force from `effective_from` until `effective_until`; null: until it is said otherwise."""

    effective_from: Time
    effective_until: Time | None
    dimensions: list[str]

    @classmethod
    def all_of(cls, declarations: Declarations) -> list[Self]:
        ends = [*(one.declared_from for one in declarations.of[1:]), None]
        return [
            cls(effective_from=one.declared_from, effective_until=until, dimensions=list(one.labels))
            for one, until in zip(declarations.of, ends, strict=False)
        ]


class DimensionValues(Answer):
    """How many values of a label are told apart, and since when others count under `__other__`."""

    label: str
    values: int
    values_max: int
    overflowed_at: Annotated[
        Time | None, Field(description=f"When the first value came that is counted under `{OTHER}`.")
    ]


class DeclarationChange(Answer):
    id: UUID
    at: Time
    who: str
    before: list[Declaration]
    after: list[Declaration]

    @classmethod
    def of(cls, change: service.DimensionsChange) -> Self:
        assert change.id is not None, "it is kept"
        before, after = Declaration.all_of(change.before), Declaration.all_of(change.after)
        return cls(id=change.id, at=change.at, who=change.who, before=before, after=after)


class TenantDimensions(Answer):
    """What tells a tenant's usage apart now (`dimensions`), what did and will, and the newest 100 changes.

    `earliest` is the first instant at which a declaration made now can take effect.
    """

    dimensions: list[str]
    earliest: Time
    declarations: list[Declaration]
    values: list[DimensionValues]
    changes: list[DeclarationChange]

    @classmethod
    def of(cls, declared: service.DeclaredDimensions) -> Self:
        return cls(
            dimensions=list(declared.declarations.labels_at(declared.now)),
            earliest=domain.earliest(declared.now),
            declarations=Declaration.all_of(declared.declarations),
            values=[
                DimensionValues(label=label, values=size, values_max=VALUES_MAX, overflowed_at=overflowed_at)
                for label, size, overflowed_at in declared.values
            ],
            changes=[DeclarationChange.of(change) for change in declared.changes],
        )
