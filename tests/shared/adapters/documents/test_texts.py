from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from fontTools.ttLib import TTFont

from shared.adapters.documents import sheet
from shared.adapters.documents.formats import Formats
from shared.adapters.documents.texts import TEXTS, Texts
from shared.domain.meters import METERS
from shared.domain.money import CURRENCY_EXPONENTS

FONTS = sorted((Path(sheet.__file__).parent / "fonts").glob("*.ttf"))


def phrases(texts: Texts) -> dict[str, str]:
    written: dict[str, str] = {}
    for field in fields(texts):
        value = getattr(texts, field.name)
        entries = value.items() if not isinstance(value, str) else [("", value)]
        written |= {f"{field.name}{key}": text for key, text in entries}
    return written


@pytest.mark.parametrize("font", FONTS, ids=lambda path: str(path.stem))
@pytest.mark.parametrize("language", TEXTS)
def test_the_fonts_have_every_glyph_of_every_text_and_amount(language: str, font: Path) -> None:
    texts = TEXTS[language]
    zone = ZoneInfo("UTC")
    amounts = (
        Formats(texts.locale, currency, zone).money(Decimal("-1234567.89")) for currency in CURRENCY_EXPONENTS
    )
    alphabet = (
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяabcdefghijklmnopqrstuvwxyzäöüßéñçłőø0123456789₽₸€£¥№«»–—…\ufffd"
    )
    wanted = {*"".join((*phrases(texts).values(), *amounts)), *alphabet, *alphabet.upper()}
    with TTFont(font, lazy=True) as opened:
        glyphs = opened.getBestCmap()
    assert {char for char in wanted if ord(char) not in glyphs} == set()


def test_there_is_a_regular_and_a_bold_font_with_its_licence() -> None:
    assert len(FONTS) == 2
    assert "Bitstream Vera Fonts Copyright" in (FONTS[0].parent / "LICENSE").read_text()


def test_all_languages_say_the_same_with_the_same_blanks() -> None:
    def blanks(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text)} - {None}

    english, russian = (phrases(TEXTS[language]) for language in ("en", "ru"))
    common = english.keys() & russian.keys()
    assert {key for key in english if not key.startswith("units")} <= common
    assert {key for key in common if blanks(english[key]) != blanks(russian[key])} == set()


def test_every_built_in_meter_and_unit_has_a_name_in_every_language() -> None:
    units = {meter.unit for meter in METERS.values()}
    for texts in TEXTS.values():
        assert texts.meters.keys() == METERS.keys()
    assert TEXTS["ru"].units.keys() == units | {"month"}
