import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import Malformed
from shared.domain.invoicing.document import InvoiceDocument, canonical
from tests.shared.domain.invoicing.sample import a_document, a_line


def test_a_document_reads_from_its_text_as_it_was_written() -> None:
    document = a_document()
    text = canonical(document)
    read = InvoiceDocument.from_dict(json.loads(text))
    assert read == document
    assert canonical(read) == text


def test_published_prices_keep_their_digits() -> None:
    read = InvoiceDocument.from_dict(json.loads(canonical(a_document())))
    assert f"{read.lines[0].unit_amount}" == "17.280"
    assert f"{read.taxes[0].percent}" == "22.0"


def test_the_text_is_canonical_and_keeps_every_character() -> None:
    text = canonical(a_document())
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert "ООО «Функции»" in text
    assert '"included":"1000000"' in text
    assert '"issued_at":"2026-04-01T01:02:03.000456Z"' in text
    assert '"period":{"end":"2026-03-31T21:00:00Z","start":"2026-02-28T21:00:00Z"}' in text
    assert not {"\n", '": '} & {text[at : at + size] for at in range(len(text)) for size in (1, 3)}


def test_a_field_with_a_default_may_be_absent_from_an_older_document() -> None:
    plain = replace(a_document(), notes=(), free_tier=())
    written = plain.to_dict()
    for name in ("notes", "free_tier", "corrects"):
        del written[name]
    assert InvoiceDocument.from_dict(written) == plain


def test_what_is_carried_over_and_the_credits_are_summed() -> None:
    document = replace(a_document(), lines=(a_line("-9.00"), a_line("9.00", kind="carried_over")))
    assert document.carried_over == Decimal("9.00")
    assert document.credit_total == Decimal("4.98")


def _without_lines(value: dict[str, Any]) -> None:
    del value["lines"]


def _with_a_number(value: dict[str, Any]) -> None:
    value["lines"][1]["amount"] = 17.28


def _with_no_offset(value: dict[str, Any]) -> None:
    value["period"]["end"] = "2026-04-01T00:00:00"


def _with_another_field(value: dict[str, Any]) -> None:
    value["seller"]["colour"] = "red"


def _with_another_kind(value: dict[str, Any]) -> None:
    value["lines"][0]["kind"] = "gift"


def _with_half_a_tax_id(value: dict[str, Any]) -> None:
    value["seller"]["tax_ids"][1] = ["ИНН"]


def _with_text_for_a_list(value: dict[str, Any]) -> None:
    value["notes"] = "Спасибо"


def _with_no_number_at_all(value: dict[str, Any]) -> None:
    value["net"] = "NaN"


def _with_a_number_for_text(value: dict[str, Any]) -> None:
    value["number"] = 7


def _with_text_for_an_object(value: dict[str, Any]) -> None:
    value["buyer"] = "Demo"


def _with_half_a_period(value: dict[str, Any]) -> None:
    del value["lines"][0]["period"]["end"]


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        (_without_lines, "lines"),
        (_with_a_number, "lines[1].amount"),
        (_with_no_offset, "period.end"),
        (_with_another_field, "seller.colour"),
        (_with_another_kind, "lines[0].kind"),
        (_with_half_a_tax_id, "seller.tax_ids[1]"),
        (_with_text_for_a_list, "notes"),
        (_with_no_number_at_all, "net"),
        (_with_a_number_for_text, "number"),
        (_with_text_for_an_object, "buyer"),
        (_with_half_a_period, "lines[0].period"),
    ],
)
def test_what_is_no_document_is_refused_naming_the_field(
    spoil: Callable[[dict[str, Any]], None], path: str
) -> None:
    value = json.loads(canonical(a_document()))
    spoil(value)
    with pytest.raises(Malformed) as refused:
        InvoiceDocument.from_dict(value)
    assert refused.value.faults[0].field == path
