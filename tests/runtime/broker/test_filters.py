"""What is refused or warned about; which events pass is in conformance."""

from typing import Any

import msgspec
import pytest

from runtime.broker import filters
from runtime.manifest_documents import Filter
from shared.domain.errors import Rejected


def check(*items: Any, attributes: dict[str, str] | None = None) -> list[str]:
    return filters.check(msgspec.convert([*items], list[Filter]), attributes or {}, "spec.")


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({"exact": {"type": ""}}, "spec.filters[0]: "),
        ({"prefix": {"type": ""}}, "spec.filters[0]: "),
        ({"not": {"any": [{"suffix": {"type": ""}}]}}, "spec.filters[0].not.any[0]: "),
    ],
)
def test_38_an_empty_value_is_warned_about_since_it_matches_everything(
    item: dict[str, Any], place: str
) -> None:
    (warning,) = check(item)
    assert warning.startswith(place)
    assert "matches everything" in warning


def test_38_what_says_what_it_seems_to_is_not_warned_about() -> None:
    assert check({"exact": {"type": "usage"}}, {}, {"not": {"prefix": {"type": "x"}}}) == []


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"cesql": "type = 'x'"}, "spec.filters[0].cesql: the embedded broker does not evaluate cesql"),
        ({"all": [{}, {"cesql": "type = 'x'"}]}, "spec.filters[0].all[1].cesql: "),
        ({"exact": {"a": "1"}, "prefix": {"a": "1"}}, "spec.filters[0]: multiple dialects found"),
        ({"not": {"exact": {"a": "1"}, "not": {}}}, "spec.filters[0].not: multiple dialects found"),
        ({"exact": {"Type": "x"}}, "spec.filters[0].exact: invalid attribute name: Type"),
        ({"suffix": {"ce_type": "x"}}, "spec.filters[0].suffix: invalid attribute name: ce_type"),
        ({"any": [{"prefix": {"1": "x"}}]}, "spec.filters[0].any[0].prefix: invalid attribute name: 1"),
    ],
)
def test_38_what_a_webhook_refuses_or_is_not_evaluated_is_refused(item: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected) as refused:
        check(item)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "item",
    [
        {"regex": {"type": "x"}},
        {"exact": {"sequence": 5}},
        {"exact": ["type"]},
        {"not": [{"exact": {"type": "x"}}]},
        {"all": {"exact": {"type": "x"}}},
    ],
)
def test_38_another_shape_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        check(item)


def test_37_a_bad_name_in_filter_attributes_is_refused() -> None:
    with pytest.raises(Rejected, match=r"spec\.filter\.attributes: invalid attribute name"):
        check(attributes={"Tenant-Id": "x"})
