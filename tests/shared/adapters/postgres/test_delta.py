from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.postgres import delta
from shared.domain.aggregate import Series, WindowKey
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH, GRID, WindowSize

# Some sums of the largest records allowed outgrow 64 bits.
numbers = st.lists(st.integers(0, 2**160), min_size=len(NUMBERS), max_size=len(NUMBERS))
durations = st.dictionaries(st.integers(0, 4_095), st.integers(1, 2**63))
keys = st.builds(
    lambda window, service_id, revision_id: WindowKey(
        WindowSize.M5, EPOCH + window * GRID, Series(service_id, revision_id)
    ),
    st.integers(0, timedelta(days=20_000) // GRID),
    st.uuids(),
    st.uuids(),
)


@given(st.dictionaries(keys, st.builds(WindowFacts.of, numbers, durations)))
def test_a_delta_is_read_back_as_it_was(windows: dict[WindowKey, WindowFacts]) -> None:
    assert delta.decode(delta.encode(windows)) == windows


def test_no_window_is_no_window() -> None:
    assert delta.decode(delta.encode({})) == {}
