from datetime import UTC, datetime

import pytest

from shared.domain.dead_letters import event_attributes

KEPT_AT = datetime(2025, 10, 15, 12, tzinfo=UTC)


def test_an_event_is_sent_again_without_what_brokers_added() -> None:
    kept = {"id": "1", "time": "2025-10-15T10:00:00Z", "knativebrokerttl": "9", "sequence": "4"}
    assert event_attributes(kept, KEPT_AT) == {
        "id": "1",
        "time": "2025-10-15T10:00:00Z",
        "sequence": "4",
    }


@pytest.mark.parametrize(
    ("arrival", "time"),
    [
        ("2025-10-15T11:00:00.123456789Z", "2025-10-15T11:00:00.123456+00:00"),
        ("2025-10-15T11:00:00+02:00", "2025-10-15T09:00:00+00:00"),
        ("2025-10-15T11:00:00", "2025-10-15T12:00:00+00:00"),
        ("soon", "2025-10-15T12:00:00+00:00"),
        ("", "2025-10-15T12:00:00+00:00"),
    ],
)
def test_an_event_without_a_time_counts_when_it_first_arrived(arrival: str, time: str) -> None:
    kept = {"id": "1", "time": "", "knativearrivaltime": arrival}
    assert event_attributes(kept, KEPT_AT) == {"id": "1", "time": time}
