"""Figures and dates as an accountant of one language writes them. Nothing is rounded but long quantities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_decimal, get_currency_symbol

from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.period import Period

_NBSP: Final = "\u00a0"
_SIGNS: Final = {("ru", "KZT"): "₸"}
"""What accountants write; CLDR has it as a narrow sign only, which Babel does not read."""
_QUANTITY_PLACES: Final = 6
_WIDE: Final = Context(prec=1_000)
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Formats:
    """`locale` is CLDR's; dates are those of `zone`."""

    locale: str
    currency: str
    zone: ZoneInfo

    def money(self, amount: Decimal) -> str:
        """With the digits that ISO 4217 gives the currency, which are not always CLDR's; more where
        `amount` has more."""
        sign = "-" if amount < 0 else ""
        number = self._number(amount.copy_abs(), CURRENCY_EXPONENTS[self.currency])
        symbol = _SIGNS.get((self.locale, self.currency)) or get_currency_symbol(
            self.currency, locale=self.locale
        )
        if self.locale == "ru":
            return f"{sign}{number}{_NBSP}{symbol}"
        gap = _NBSP if symbol[-1].isalpha() else ""
        return f"{sign}{symbol}{gap}{number}"

    def quantity(self, value: Decimal) -> str:
        """To 6 places, or all of them where nothing would be left; the exact one is in the CSV."""
        if value.is_zero():
            return "0"
        rounded = value.quantize(Decimal(1).scaleb(-_QUANTITY_PLACES), ROUND_HALF_UP, _WIDE)
        return self._number((rounded or value).normalize(_WIDE))

    def percent(self, percent: Decimal) -> str:
        return self._number(percent.normalize(_WIDE)) + (_NBSP if self.locale == "ru" else "") + "%"

    def day(self, instant: datetime) -> str:
        return self._date(instant.astimezone(self.zone).date())

    def period(self, period: Period) -> str:
        """The local dates, both inclusive: 1–31 March 2026; with times where it begins or ends within
        a day."""
        if all(map(self._begins_a_day, period)):
            return self._dates(*(bound.astimezone(self.zone).date() for bound in _inclusive(period)))
        return " – ".join(map(self._moment, period))

    def _number(self, value: Decimal, places_min: int = 0) -> str:
        pattern = f"#,##0.{'0' * places_min}".rstrip(".")
        # Babel rounds to the context's precision.
        with localcontext(_WIDE):
            text: str = format_decimal(value, pattern, self.locale, decimal_quantization=False)
        return text

    def _begins_a_day(self, instant: datetime) -> bool:
        return (instant - _TICK).astimezone(self.zone).date() < instant.astimezone(self.zone).date()

    def _dates(self, first: date, last: date) -> str:
        if first == last:
            return self._date(last)
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}–{self._date(last)}"
        if first.year == last.year:
            return f"{format_date(first, 'd MMMM', locale=self.locale)} – {self._date(last)}"
        return f"{self._date(first)} – {self._date(last)}"

    def _date(self, day: date) -> str:
        return format_date(day, "long", locale=self.locale)

    def _moment(self, instant: datetime) -> str:
        time = format_time(instant, "HH:mm", tzinfo=self.zone, locale=self.locale)
        return f"{self.day(instant)}, {time}"


def _inclusive(period: Period) -> Sequence[datetime]:
    return period.start, period.end - _TICK
