from eventing.metrics import CONFLICTS, EventMetrics, Levels, Tally, tally


def test_what_is_counted_beside_events_is_told_from_zero_on() -> None:
    lines = EventMetrics().exposition().decode().splitlines()
    for name in ("usage_conflicts", "usage_batches_missed", "usage_batches_found"):
        assert any(line.startswith(f"faas_billing_{name}_total ") for line in lines)


def test_a_tally_adds_up() -> None:
    counted = Tally({"things": "Things."})
    counted.add("things")
    counted.add("things", 4)
    (family,) = counted.collect()
    assert [sample.value for sample in family.samples] == [5]


def test_a_level_is_what_was_last_found_and_nothing_before_it_was_looked_for() -> None:
    found = Levels({"things": "Things."})
    assert list(found.collect()) == []
    for value in (5, 3):
        found.set("things", value)
    (family,) = found.collect()
    assert [sample.value for sample in family.samples] == [3]


def test_every_function_of_a_process_shares_the_tally() -> None:
    before = _conflicts(EventMetrics())
    tally.add(CONFLICTS)
    assert _conflicts(EventMetrics()) == before + 1


def _conflicts(metrics: EventMetrics) -> float:
    (line,) = [
        line for line in metrics.exposition().decode().splitlines() if line.startswith(f"{CONFLICTS}_total")
    ]
    return float(line.split()[1])
