"""What documents say around their figures, in each language they are made in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of one language. Braces are filled in by name.

    `locale` is CLDR's; `meters` and `units` translate what the built-in meters are called, each as it
    is where it has no entry.
    """

    locale: str
    invoice: str
    credit_note: str
    heading: str
    draft: str
    invoice_number: str
    credit_note_number: str
    issued: str
    drafted: str
    due: str
    period: str
    corrects: str
    tax_id: str
    seller: str
    buyer: str
    account: str
    nobody: str
    amount_due: str
    amount_credited: str
    draft_total: str
    due_by: str
    nothing_due: str
    description: str
    quantity: str
    unit: str
    unit_price: str
    amount: str
    per: str
    included: str
    flat_fee: str
    taxed_by: str
    more: str
    section_total: str
    adjustments: str
    carried_over: str
    net: str
    tax: str
    tax_contained: str
    exempt: str
    total: str
    credit: str
    credit_kinds: Mapping[str, str]
    free_tier: str
    free_tier_meter: str
    free_tier_included: str
    free_tier_used: str
    free_tier_remaining: str
    bank_details: str
    notes: str
    zone: str
    page: str
    meters: Mapping[str, str]
    units: Mapping[str, str]


_EN: Final = Texts(
    # World English writes dates that no reader takes for others, and US$ beside CA$.
    locale="en_GB",
    invoice="Invoice",
    credit_note="Credit note",
    heading="{title} {number}",
    draft="Draft – not a demand for payment",
    invoice_number="Invoice number",
    credit_note_number="Credit note number",
    issued="Date of issue",
    drafted="Drafted on",
    due="Date due",
    period="Billing period",
    corrects="Corrects invoice",
    tax_id="{name}: {value}",
    seller="From",
    buyer="Bill to",
    account="Account: {slug}",
    nobody="The account as a whole",
    amount_due="Amount due",
    amount_credited="Amount credited",
    draft_total="Amount so far",
    due_by="by {date}",
    nothing_due="Nothing to pay",
    description="Description",
    quantity="Quantity",
    unit="Unit",
    unit_price="Unit price",
    amount="Amount",
    per="{price} per {per}",
    included="Included free of charge: {quantity}",
    flat_fee="Of this, fixed fee: {amount}",
    taxed_by="Tax: {names}",
    more="and {count} more",
    section_total="Subtotal, {section}",
    adjustments="Adjustments to invoice {number}",
    carried_over="Carried over as credit",
    net="Subtotal",
    tax="{name} on {base}",
    tax_contained="{name} contained in {base}",
    exempt="No tax charged: {reason}",
    total="Total",
    credit="Credit applied: {description}",
    credit_kinds={
        "prepaid": "prepaid",
        "promotional": "promotional",
        "carried_over": "carried over from an earlier invoice",
        "credit_note": "from a credit note",
    },
    free_tier="Free tier in this period",
    free_tier_meter="Usage",
    free_tier_included="Included",
    free_tier_used="Used",
    free_tier_remaining="Remaining",
    bank_details="Payment details",
    notes="Notes",
    zone="Dates are in the time zone {zone}.",
    page="Page {page} of {pages}",
    meters={
        "invocations": "Invocations",
        "errors": "Errors",
        "cold_starts": "Cold starts",
        "cpu_ms": "CPU time, ms",
        "cpu_seconds": "CPU time",
        "duration_ms": "Duration, ms",
        "duration_seconds": "Duration",
        "duration_ms_1ms": "Duration, rounded up to 1 ms",
        "duration_ms_100ms": "Duration, rounded up to 100 ms",
        "mb_ms": "Memory × time",
        "gb_seconds": "Memory × time",
        "gb_seconds_1ms": "Memory × time, rounded up to 1 ms",
        "gb_seconds_100ms": "Memory × time, rounded up to 100 ms",
        "gb_seconds_1ms_128mb": "Memory × time, rounded up to 1 ms and 128 MB",
        "gb_seconds_100ms_128mb": "Memory × time, rounded up to 100 ms and 128 MB",
        "gb_hours": "Memory × time",
        "gb_hours_1ms": "Memory × time, rounded up to 1 ms",
        "gb_hours_100ms": "Memory × time, rounded up to 100 ms",
        "egress_gib": "Outbound traffic",
        "egress_gb": "Outbound traffic",
        "provisioned_seconds": "Provisioned capacity",
    },
    units={},
)

_RU: Final = Texts(
    locale="ru",
    invoice="Счёт на оплату",
    credit_note="Корректировка счёта",
    heading="{title} № {number}",
    draft="Черновик – не является счётом на оплату",
    invoice_number="Номер счёта",
    credit_note_number="Номер корректировки",
    issued="Дата выставления",
    drafted="Дата составления",
    due="Срок оплаты",
    period="Расчётный период",
    corrects="К счёту №",
    tax_id="{name} {value}",
    seller="Исполнитель",
    buyer="Заказчик",
    account="Учётная запись: {slug}",
    nobody="Учётная запись в целом",
    amount_due="Всего к оплате",
    amount_credited="Сумма корректировки",
    draft_total="Предварительная сумма",
    due_by="не позднее {date}",
    nothing_due="Оплата не требуется",
    description="Наименование услуги",
    quantity="Количество",
    unit="Ед. изм.",
    unit_price="Цена",
    amount="Сумма",
    per="{price} за {per}",
    included="Включено в тариф: {quantity}",
    flat_fee="В том числе фиксированная плата: {amount}",
    taxed_by="Налог: {names}",
    more="и ещё {count}",
    section_total="Итого, {section}",
    adjustments="Корректировка к счёту № {number}",
    carried_over="Перенесено в зачёт следующих счетов",
    net="Итого",
    tax="{name} от {base}",
    tax_contained="{name} в составе {base}",
    exempt="Налог не начисляется: {reason}",
    total="Всего",
    credit="Зачтено: {description}",
    credit_kinds={
        "prepaid": "аванс",
        "promotional": "бонусные средства",
        "carried_over": "перенос с предыдущего счёта",
        "credit_note": "по корректировке счёта",
    },
    free_tier="Бесплатный объём за период",
    free_tier_meter="Услуга",
    free_tier_included="Включено",
    free_tier_used="Использовано",
    free_tier_remaining="Остаток",
    bank_details="Банковские реквизиты",
    notes="Примечания",
    zone="Даты указаны по часовому поясу {zone}.",
    page="Стр. {page} из {pages}",
    meters={
        "invocations": "Вызовы функций",
        "errors": "Ошибки",
        "cold_starts": "Холодные запуски",
        "cpu_ms": "Процессорное время, мс",
        "cpu_seconds": "Процессорное время",
        "duration_ms": "Время выполнения, мс",
        "duration_seconds": "Время выполнения",
        "duration_ms_1ms": "Время выполнения, округление до 1 мс",
        "duration_ms_100ms": "Время выполнения, округление до 100 мс",
        "mb_ms": "Память × время",
        "gb_seconds": "Память × время",
        "gb_seconds_1ms": "Память × время, округление до 1 мс",
        "gb_seconds_100ms": "Память × время, округление до 100 мс",
        "gb_seconds_1ms_128mb": "Память × время, округление до 1 мс и 128 МБ",
        "gb_seconds_100ms_128mb": "Память × время, округление до 100 мс и 128 МБ",
        "gb_hours": "Память × время",
        "gb_hours_1ms": "Память × время, округление до 1 мс",
        "gb_hours_100ms": "Память × время, округление до 100 мс",
        "egress_gib": "Исходящий трафик",
        "egress_gb": "Исходящий трафик",
        "provisioned_seconds": "Зарезервированная мощность",
    },
    units={
        "invocation": "вызов",
        "error": "ошибка",
        "cold start": "запуск",
        "CPU ms": "мс ЦП",
        "CPU second": "с ЦП",
        "ms": "мс",
        "second": "с",
        "month": "мес.",
        "MB-ms": "МБ·мс",
        "GB-second": "ГБ·с",
        "GB-hour": "ГБ·ч",
        "GiB": "ГиБ",
        "GB of 10^9 bytes": "ГБ (10⁹ байт)",
        "provisioned second": "с резерва",
    },
)

TEXTS: Final[Mapping[str, Texts]] = {"en": _EN, "ru": _RU}
"""By the language of a document."""
