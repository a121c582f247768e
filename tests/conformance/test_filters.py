"""Which events come to a Trigger."""

from collections.abc import Mapping
from typing import Any

from tests.conformance.target import Target
from tests.runtime.broker.rig import Subscriber, until

EVENT = {"source": "/spool/1", "tenantid": "demo", "sequence": "5"}
JSON = "application/json; charset=utf-8"
NEVER = {"exact": {"tenantid": "other"}}
ALWAYS = {"exact": {"tenantid": "demo"}}
EMPTY = {"exact": {"tenantid": ""}}

LEGACY: Mapping[str, tuple[Mapping[str, str], bool]] = {
    "no attribute": ({}, True),
    "equal": ({"tenantid": "demo", "source": "/spool/1"}, True),
    "one of two": ({"tenantid": "demo", "source": "/spool"}, False),
    "other case": ({"tenantid": "DEMO"}, False),
    "any value": ({"tenantid": ""}, True),
    "any value of what is not there": ({"absent": ""}, False),
    "what is not there": ({"absent": "x"}, False),
    "any time where there is none": ({"time": ""}, True),
    "a number as text": ({"sequence": "5"}, True),
    "the content type with its charset": ({"datacontenttype": JSON}, True),
    "the content type without it": ({"datacontenttype": "application/json"}, False),
    "the media type": ({"datamediatype": "application/json"}, True),
}

FILTERS: Mapping[str, tuple[list[dict[str, Any]], bool]] = {
    "exact": ([ALWAYS], True),
    "exact of two": ([{"exact": {"tenantid": "demo", "source": "/spool"}}], False),
    "exact of what is not there": ([{"exact": {"absent": "x"}}], False),
    "prefix": ([{"prefix": {"source": "/spool", "tenantid": "d"}}], True),
    "another prefix": ([{"prefix": {"source": "/spool", "tenantid": "x"}}], False),
    "prefix of what is not there": ([{"prefix": {"absent": "x"}}], False),
    "suffix": ([{"suffix": {"source": "/1", "tenantid": "mo"}}], True),
    "another suffix": ([{"suffix": {"source": "/2"}}], False),
    "two objects": ([ALWAYS, {"prefix": {"source": "/"}}], True),
    "one of two objects": ([ALWAYS, NEVER], False),
    "all": ([{"all": [ALWAYS, {"suffix": {"source": "1"}}]}], True),
    "all but one": ([{"all": [ALWAYS, NEVER]}], False),
    "any": ([{"any": [NEVER, ALWAYS]}], True),
    "not any": ([{"any": [NEVER, {"exact": {"tenantid": "more"}}]}], False),
    "not": ([{"not": NEVER}], True),
    "not that": ([{"not": ALWAYS}], False),
    "not what is not there": ([{"not": {"exact": {"absent": "x"}}}], True),
    "not not": ([{"not": {"not": ALWAYS}}], True),
    "nested": ([{"all": [{"not": {"any": [NEVER, {"prefix": {"absent": "x"}}]}}, ALWAYS]}], True),
    "an empty object": ([{}], True),
    "an empty value": ([EMPTY], True),
    "an empty value beside another": ([{"exact": {"tenantid": "", "source": "/other"}}], True),
    "an empty prefix": ([{"prefix": {"absent": ""}}], True),
    "an empty object beside another": ([{}, NEVER], False),
    "no map": ([{"exact": {}}], True),
    "all of nothing": ([{"all": []}], True),
    "any of nothing": ([{"any": []}], True),
    "any with a skipped object": ([{"any": [EMPTY, NEVER]}], False),
    "any of skipped objects": ([{"any": [EMPTY]}], True),
    "not of nothing": ([{"not": {}}], True),
    "not of a skipped object": ([{"not": EMPTY}], True),
}

PRECEDENCE: Mapping[str, tuple[dict[str, Any], bool]] = {
    "filters come first": ({"filters": [ALWAYS], "filter": {"attributes": {"tenantid": "other"}}}, True),
    "also where they refuse": ({"filters": [NEVER], "filter": {"attributes": {"tenantid": "demo"}}}, False),
    "and where they are skipped": ({"filters": [{}], "filter": {"attributes": {"tenantid": "other"}}}, True),
    "no filters fall back": ({"filters": [], "filter": {"attributes": {"tenantid": "other"}}}, False),
    "no filters fall back and pass": ({"filters": [], "filter": {"attributes": {"tenantid": "demo"}}}, True),
    "nothing at all": ({}, True),
}


def passing(broker: Target, subscriber: Subscriber, specs: Mapping[str, Any], wanted: set[str]) -> set[str]:
    """The cases whose Trigger an event comes to; the `wanted` are waited for."""
    paths = {case: str(number) for number, case in enumerate(specs)}
    cases = {f"/{path}": case for case, path in paths.items()}
    event, headers = {**EVENT, "type": broker.new_type()}, {"content-type": JSON}
    with broker.triggers(
        {paths[case]: spec for case, spec in specs.items()},
        subscriber,
        ready=[paths[case] for case in wanted],
        event=event,
        headers=headers,
    ):
        assert broker.send_event(event, headers=headers) == 202
        until(lambda: wanted <= {cases[request.path] for request in subscriber.received})
        broker.quiet()
        return {cases[request.path] for request in subscriber.received}


def test_37_filter_attributes(broker: Target, subscriber: Subscriber) -> None:
    wanted = {case for case, (_, passes) in LEGACY.items() if passes}
    specs = {case: {"filter": {"attributes": attributes}} for case, (attributes, _) in LEGACY.items()}
    assert passing(broker, subscriber, specs, wanted) == wanted


def test_38_filters(broker: Target, subscriber: Subscriber) -> None:
    wanted = {case for case, (_, passes) in FILTERS.items() if passes}
    specs = {case: {"filters": filters} for case, (filters, _) in FILTERS.items()}
    assert passing(broker, subscriber, specs, wanted) == wanted


def test_38_filters_come_before_filter_unless_there_are_none(broker: Target, subscriber: Subscriber) -> None:
    wanted = {case for case, (_, passes) in PRECEDENCE.items() if passes}
    specs = {case: spec for case, (spec, _) in PRECEDENCE.items()}
    assert passing(broker, subscriber, specs, wanted) == wanted
