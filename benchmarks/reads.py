"""How long bills and reports of usage take, asked for one after the other over a connection that is kept."""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.load import KINDS
from benchmarks.servers import ADMIN_KEY
from benchmarks.year import DAY, DAY_RECORDS, SLOTS, Year

BILL: Final = "/api/v1/billing/calculate"
REPORT: Final = "/api/v1/usage-aggregates"
HEADERS: Final = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
ANSWER_LIMIT_S: Final = 60.0
PAGE: Final = 1_000
PAGE_DEFAULT: Final = 100


@dataclass(frozen=True, slots=True)
class Question:
    """`counted` reads from the answer what must be `expected`; without a `body` it is a GET."""

    path: str
    expected: int
    counted: Callable[[Any], int]
    body: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """An API, and the year of windows behind it."""

    port: int
    year: Year


@dataclass(slots=True)
class Asked:
    """`took_ms` of the same question by the name of the API; `wrong` tells of the first wrong answer."""

    took_ms: dict[str, list[float]]
    wrong: list[str]

    def p_ms(self, name: str, percent: int) -> float:
        took_ms = sorted(self.took_ms[name])
        return took_ms[len(took_ms) * percent // 100]


def _bill(year: Year) -> Question:
    start, end = random.choice(_months(year))
    body = {"tenant_id": random.choice(year.slugs), "period_start": _text(start), "period_end": _text(end)}
    return Question(BILL, DAY_RECORDS * (end - start).days, _invocations, body)


def _days_of_month(year: Year) -> Question:
    start, end = random.choice(_months(year))
    expected = KINDS * (end - start).days
    return _report(start, end, expected, tenant_id=random.choice(year.slugs), window_size="1d", limit=PAGE)


def _windows_of_day(year: Year) -> Question:
    start = random.choice(_days(year))
    expected = min(24 * SLOTS * KINDS, PAGE_DEFAULT)
    return _report(start, start + DAY, expected, tenant_id=random.choice(year.slugs), window_size="5m")


def _day_of_all(year: Year) -> Question:
    start = random.choice(_days(year))
    return _report(start, start + DAY, KINDS * len(year.slugs), window_size="1d", limit=PAGE)


QUESTIONS: Final[Mapping[str, Callable[[Year], Question]]] = {
    "bill of a month": _bill,
    "a tenant's month in days": _days_of_month,
    f"a tenant's day in 5 minutes, the first {PAGE_DEFAULT}": _windows_of_day,
    "a day of every tenant": _day_of_all,
}
"""Of a tenant, a month and a day drawn each time."""


def ask(apis: Mapping[str, Api], name: str, times: int) -> Asked:
    """Each API by turns, once before the clock counts."""
    found = Asked({api: [] for api in apis}, [])
    with ExitStack() as stack:
        connections = {
            api: stack.enter_context(closing(HTTPConnection("127.0.0.1", at.port, timeout=ANSWER_LIMIT_S)))
            for api, at in apis.items()
        }
        for n in range(times + 1):
            for api, at in apis.items():
                took_ms, wrong = _asked(connections[api], QUESTIONS[name](at.year))
                found.wrong = found.wrong or [f"{api}: {line}" for line in wrong]
                if n:
                    found.took_ms[api].append(took_ms)
    return found


def _asked(connection: HTTPConnection, question: Question) -> tuple[float, Sequence[str]]:
    body = json.dumps(question.body).encode() if question.body else b""
    began = time.perf_counter()
    connection.request("POST" if question.body else "GET", question.path, body, HEADERS)
    response = connection.getresponse()
    answer = response.read()
    took_ms = (time.perf_counter() - began) * 1000
    if response.status != 200:
        return took_ms, [f"answered {response.status} {answer[:200]!r}"]
    if (counted := question.counted(json.loads(answer))) != question.expected:
        return took_ms, [f"{counted}, not {question.expected}"]
    return took_ms, []


def _report(start: datetime, end: datetime, expected: int, **query: object) -> Question:
    query = {"start_time": _text(start), "end_time": _text(end), **query}
    return Question(f"{REPORT}?{urlencode(query)}", expected, lambda answer: len(answer["items"]))


def _invocations(bill: Any) -> int:
    return sum(int(line["quantity"]) for line in bill["lines"] if line["meter"] == "invocations")


def _days(year: Year) -> Sequence[datetime]:
    return [year.start + n * DAY for n in range((year.end - year.start).days)]


def _months(year: Year) -> Sequence[tuple[datetime, datetime]]:
    """The whole months of the calendar."""
    firsts = [day for day in [*_days(year), year.end] if day.day == 1]
    return list(pairwise(firsts))


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
