"""Which events a Trigger is for: `filters` where there are any, else `filter.attributes`, else all.

A filter object answers true, false, or None: it says nothing (it is empty, or holds an empty value) and is
skipped, and what is made of skipped objects alone is skipped too. In the end nothing said means a match.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from runtime.manifest_documents import Filter
from shared.domain.errors import Rejected

OPTIONAL: Final = ("subject", "dataschema", "schemaurl", "datacontenttype", "datacontentencoding")
ZERO_TIME: Final = "0001-01-01T00:00:00Z"
_EQUAL: Final = str.__eq__
_NAME: Final = re.compile(r"[a-z][a-z0-9]*")


def matches(filters: Sequence[Filter], legacy: Mapping[str, str], event: Mapping[str, str]) -> bool:
    """Whether an event of these attributes passes; `legacy` counts where there are no filters."""
    if filters:
        return _joined(all, filters, event) is not False
    return all(_legacy(_look_up(event, name), wanted) for name, wanted in legacy.items())


def check(filters: Sequence[Filter], legacy: Mapping[str, str], place: str) -> list[str]:
    """Warnings about filters that say less than they seem to. Raises Rejected as the webhook refuses."""
    for name in legacy:
        _check_name(f"{place}filter.attributes", name)
    return list(_check_list(f"{place}filters", filters))


def _answer(item: Filter, event: Mapping[str, str]) -> bool | None:
    if item.all:
        return _joined(all, item.all, event)
    if item.any:
        return _joined(any, item.any, event)
    if item.not_ is not None:
        inner = _answer(item.not_, event)
        return None if inner is None else not inner
    for wanted, compare in ((item.exact, _EQUAL), (item.prefix, str.startswith), (item.suffix, str.endswith)):
        if wanted:
            return _compared(compare, wanted, event) if all(wanted.values()) else None
    return None


def _joined(
    join: Callable[[list[bool]], bool], items: Sequence[Filter], event: Mapping[str, str]
) -> bool | None:
    answers = [answer for item in items if (answer := _answer(item, event)) is not None]
    return join(answers) if answers else None


def _compared(
    compare: Callable[[str, str], bool], wanted: Mapping[str, str], event: Mapping[str, str]
) -> bool:
    found = ((_look_up(event, name), text) for name, text in wanted.items())
    return all(value is not None and compare(value, text) for value, text in found)


def _legacy(found: str | None, wanted: str) -> bool:
    return found == wanted if wanted else bool(found)


def _look_up(event: Mapping[str, str], name: str) -> str | None:
    if name == "time":
        return event.get("time", ZERO_TIME)
    if name == "datamediatype":
        return event.get("datacontenttype", "").partition(";")[0].strip()
    if name in ("dataschema", "schemaurl"):
        return event.get("dataschema") or event.get("schemaurl", "")
    return event.get(name, "" if name in OPTIONAL else None)


def _check_list(place: str, items: Sequence[Filter]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield from _check(f"{place}[{number}]", item)


def _check(place: str, item: Filter) -> Iterator[str]:
    said = [name for name in item.__struct_fields__ if getattr(item, name) not in ({}, [], "", None)]
    if len(said) > 1:
        raise Rejected.because(place, "multiple dialects found, filters can have only one dialect set")
    if item.cesql:
        raise Rejected.because(
            f"{place}.cesql", "the embedded broker does not evaluate cesql: say it in another dialect"
        )
    for name, text in {**item.exact, **item.prefix, **item.suffix}.items():
        _check_name(f"{place}.{said[0]}", name)
        if not text:
            yield f"{place}: an empty value switches the whole object off: alone, it matches everything"
    yield from _check_list(f"{place}.all", item.all)
    yield from _check_list(f"{place}.any", item.any)
    if item.not_ is not None:
        yield from _check(f"{place}.not", item.not_)


def _check_name(place: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Rejected.because(place, f"invalid attribute name: {name}")
