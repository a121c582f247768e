"""Numbers of invoices and credit notes: for each seller, series and year from 1 on, without a gap."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.invoicing.parties import BillingEntity


class Series(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Counter(NamedTuple):
    """What counts: whoever takes a number holds it locked until what bears the number is stored."""

    billing_entity_id: UUID
    series: Series
    year: int


def counter_of(entity: BillingEntity, series: Series, issued_at: datetime) -> Counter:
    """Years are those of the seller's time zone."""
    return Counter(entity.id, series, issued_at.astimezone(ZoneInfo(entity.timezone)).year)


def number_text(entity: BillingEntity, counter: Counter, number: int) -> str:
    """Such as `INV-2026-000042`, where the seller's prefix is `INV-`."""
    assert number > 0
    is_invoice = counter.series is Series.INVOICE
    prefix = entity.invoice_prefix if is_invoice else entity.credit_note_prefix
    return f"{prefix}{counter.year}-{number:06d}"
