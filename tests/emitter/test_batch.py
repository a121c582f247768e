import json

import pytest
from faas_billing_emitter.batch import (
    DATA_BYTES_MAX,
    RECORDS_MAX,
    Batch,
    Fill,
    Origin,
    closed,
    following,
    opening,
    read,
    whole_part,
)
from hypothesis import given
from hypothesis import strategies as st

ORIGIN = Origin(source="/spool/1", tenant="acme")
records = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=20)).map(lambda d: json.dumps(d).encode()),
    min_size=1,
    max_size=8,
)


def file_of(texts: list[bytes]) -> bytes:
    return opening(ORIGIN, 7, "2026-01-02T03:04:05.000006Z", texts[0]) + b"".join(map(following, texts[1:]))


@given(records)
def test_a_sealed_file_reads_as_the_records_that_were_written(texts: list[bytes]) -> None:
    batch = read(closed(file_of(texts)))
    assert (batch.origin, batch.sequence, batch.time) == (ORIGIN, 7, "2026-01-02T03:04:05.000006Z")
    assert json.loads(batch.data) == {"records": [json.loads(text) for text in texts]}


@given(records)
def test_the_fill_counts_the_bytes_that_the_data_will_have(texts: list[bytes]) -> None:
    fill = Fill()
    for text in texts:
        fill = fill.plus(text)
    assert fill == Fill(len(texts), len(read(closed(file_of(texts))).data))


@given(records, st.integers(min_value=0))
def test_a_file_torn_anywhere_keeps_its_whole_records(texts: list[bytes], at: int) -> None:
    content = closed(file_of(texts))
    torn = content[: at % (len(content) + 1)]
    whole = whole_part(torn)
    assert torn.startswith(whole)
    kept = [n for n in range(1, len(texts) + 1) if len(file_of(texts[:n])) <= len(torn)]
    assert whole == (file_of(texts[: max(kept)]) if kept else b"")


@given(records, st.integers(min_value=0), st.integers(min_value=1, max_value=64))
def test_a_page_that_never_reached_the_disk_ends_the_whole_records(
    texts: list[bytes], at: int, size: int
) -> None:
    content = file_of(texts)
    hole = at % len(content)
    torn = content[:hole] + b"\0" * len(content[hole : hole + size]) + content[hole + size :]
    whole = whole_part(torn)
    assert whole == b"" or whole in [file_of(texts[:n]) for n in range(1, len(texts) + 1)]
    assert len(whole) <= hole


def test_the_id_is_the_sequence_and_the_digest_of_the_data() -> None:
    batch = Batch(ORIGIN, 3, "2026-01-02T03:04:05.000006Z", b'{"records":[\n{}\n]}')
    assert batch.id == "3-7dc9a671df4945e299b9c8a4444c54d0"


def test_the_same_cut_has_the_same_id_at_any_time_and_another_cut_another() -> None:
    one = Batch(ORIGIN, 3, "2026-01-01T00:00:00Z", b"same")
    other = Batch(ORIGIN, 3, "2027-01-01T00:00:00Z", b"same")
    assert one.id == other.id
    assert one.id != Batch(ORIGIN, 3, one.time, b"else").id
    assert one.id != Batch(ORIGIN, 4, one.time, b"same").id


def test_a_batch_holds_a_thousand_records() -> None:
    fill = Fill()
    for _ in range(RECORDS_MAX):
        assert not fill.full
        fill = fill.plus(b"{}")
    assert fill.full
    assert fill.within_limits
    assert not fill.plus(b"{}").within_limits


def test_a_batch_holds_768_kibibytes_to_the_byte() -> None:
    room = DATA_BYTES_MAX - Fill().plus(b"").data_bytes
    assert Fill().plus(b"x" * room).within_limits
    assert not Fill().plus(b"x" * (room + 1)).within_limits


@pytest.mark.parametrize("content", [b"", b"{}\n]}", b"[]\n]}", b'{"sequence":1}\n{"records":[\n', b"\0" * 9])
def test_what_is_no_sealed_file_is_not_read_as_one(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"sealed|Expecting"):
        read(content)
