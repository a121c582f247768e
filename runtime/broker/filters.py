"""Which events a Trigger is for: `filters` where there are any, else `filter.attributes`, else all."""

import re
from collections.abc import Mapping
from typing import Any, Final

from runtime.broker.manifests import Trigger
from shared.domain.errors import Rejected

ANY: Final = ""
OPTIONAL: Final = ("subject", "dataschema", "schemaurl", "datacontenttype", "datacontentencoding")
ZERO_TIME: Final = "0001-01-01T00:00:00Z"
KNOWN_LATER: Final = ("prefix", "suffix", "all", "any", "not")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*")


def matches(trigger: Trigger, attributes: Mapping[str, str]) -> bool:
    if trigger.filters:
        return all(_exact(item.get("exact", {}), attributes) for item in trigger.filters)
    return all(_equal(attributes, name, wanted) for name, wanted in trigger.attributes.items())


def check(trigger: Trigger) -> list[str]:
    """Warnings about filters that say less than they seem to. Raises Rejected for what is not evaluated."""
    warnings = []
    for number, item in enumerate(trigger.filters):
        place = f"spec.filters[{number}]"
        if len(item) > 1:
            raise Rejected.because(place, "multiple dialects found, filters can have only one dialect set")
        for dialect, wanted in item.items():
            _check_dialect(f"{place}.{dialect}", dialect, wanted)
            if not all(wanted.values()):
                warnings.append(
                    f"{place}: an empty value switches the whole filter off: it matches everything"
                )
    for name in trigger.attributes:
        _check_name("spec.filter.attributes", name)
    return warnings


def _exact(wanted: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    return not all(wanted.values()) or all(_equal(attributes, name, text) for name, text in wanted.items())


def _equal(attributes: Mapping[str, str], name: str, wanted: str) -> bool:
    found = _look_up(attributes, name)
    return bool(found) if wanted == ANY else found == wanted


def _look_up(attributes: Mapping[str, str], name: str) -> str | None:
    if name == "time":
        return attributes.get("time", ZERO_TIME)
    if name == "datamediatype":
        return attributes.get("datacontenttype", "").partition(";")[0].strip()
    if name in ("dataschema", "schemaurl"):
        return attributes.get("dataschema") or attributes.get("schemaurl", "")
    return attributes.get(name, "" if name in OPTIONAL else None)


def _check_dialect(place: str, dialect: str, wanted: Any) -> None:
    if dialect == "cesql":
        raise Rejected.because(place, "the embedded broker does not evaluate cesql: use exact")
    if dialect in KNOWN_LATER:
        raise Rejected.because(place, f"the embedded broker does not evaluate {dialect} yet: use exact")
    if dialect != "exact":
        raise Rejected.because(place, "unknown dialect")
    if not isinstance(wanted, Mapping) or not all(isinstance(text, str) for text in wanted.values()):
        raise Rejected.because(place, "attribute names with texts are expected")
    for name in wanted:
        _check_name(place, name)


def _check_name(place: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Rejected.because(place, f"invalid attribute name: {name}")
