from typing import Any

import pytest

from runtime.broker import filters
from runtime.broker.manifests import DeliveryPolicy, Trigger
from runtime.manifest_documents import Destination
from shared.domain.errors import Rejected

EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/spool/1",
    "type": "usage",
    "tenantid": "demo",
    "sequence": "5",
    "datacontenttype": "application/json; charset=utf-8",
}


def trigger(*exact: Any, attributes: dict[str, str] | None = None) -> Trigger:
    return Trigger("t", "billing", Destination(uri="http://x"), DeliveryPolicy(), attributes or {}, exact)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        ({}, True),
        ({"type": "usage"}, True),
        ({"type": "usage", "tenantid": "demo"}, True),
        ({"type": "usage", "tenantid": "other"}, False),
        ({"type": "USAGE"}, False),
        ({"tenantid": ""}, True),
        ({"absent": ""}, False),
        ({"subject": ""}, False),
        ({"absent": "x"}, False),
        ({"time": ""}, True),
        ({"sequence": "5"}, True),
        ({"datacontenttype": "application/json"}, False),
        ({"datacontenttype": "application/json; charset=utf-8"}, True),
        ({"datamediatype": "application/json"}, True),
    ],
)
def test_37_filter_attributes(wanted: dict[str, str], passes: bool) -> None:
    assert filters.matches(trigger(attributes=wanted), EVENT) is passes


@pytest.mark.parametrize(
    ("items", "passes"),
    [
        ([{"exact": {"type": "usage"}}], True),
        ([{"exact": {"type": "usage", "tenantid": "other"}}], False),
        ([{"exact": {"type": "usage"}}, {"exact": {"tenantid": "demo"}}], True),
        ([{"exact": {"type": "usage"}}, {"exact": {"tenantid": "other"}}], False),
        ([{"exact": {"absent": "x"}}], False),
        ([{"exact": {"type": ""}}], True),
        ([{"exact": {"type": "", "tenantid": "other"}}], True),
        ([{"exact": {}}], True),
        ([{}], True),
    ],
)
def test_38_exact_filters(items: list[dict[str, Any]], passes: bool) -> None:
    assert filters.matches(trigger(*items), EVENT) is passes


def test_38_filters_come_before_filter() -> None:
    assert filters.matches(trigger({"exact": {"type": "usage"}}, attributes={"type": "other"}), EVENT)
    assert not filters.matches(trigger({"exact": {"type": "other"}}, attributes={"type": "usage"}), EVENT)
    assert not filters.matches(trigger(attributes={"type": "other"}), EVENT)


def test_38_an_empty_value_is_warned_about_since_it_matches_everything() -> None:
    assert "matches everything" in filters.check(trigger({"exact": {"type": ""}}))[0]
    assert filters.check(trigger({"exact": {"type": "usage"}})) == []


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"cesql": "type = 'x'"}, "spec.filters[0].cesql: the embedded broker does not evaluate cesql"),
        ({"prefix": {"type": "x"}}, "spec.filters[0].prefix: the embedded broker does not evaluate prefix"),
        ({"not": {"exact": {"type": "x"}}}, "spec.filters[0].not: "),
        ({"regex": {"type": "x"}}, "spec.filters[0].regex: unknown dialect"),
        ({"exact": {"a": "1"}, "prefix": {"a": "1"}}, "multiple dialects found"),
        ({"exact": {"Type": "x"}}, "invalid attribute name: Type"),
        ({"exact": {"ce_type": "x"}}, "invalid attribute name: ce_type"),
        ({"exact": {"sequence": 5}}, "attribute names with texts are expected"),
        ({"exact": ["type"]}, "attribute names with texts are expected"),
    ],
)
def test_38_what_is_not_evaluated_is_refused(item: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected) as refused:
        filters.check(trigger(item))
    assert message in str(refused.value)


def test_37_a_bad_name_in_filter_attributes_is_refused() -> None:
    with pytest.raises(Rejected, match="invalid attribute name"):
        filters.check(trigger(attributes={"Tenant-Id": "x"}))
