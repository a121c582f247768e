import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faas_billing_emitter import folder, open_file
from faas_billing_emitter.batch import RECORDS_MAX, Batch
from faas_billing_emitter.folder import SpoolInUse
from faas_billing_emitter.spool import BLOCK_BYTES, Repeated, Spool, SpoolFull
from hypothesis import given
from hypothesis import strategies as st

NOW_NS = 1_800_000_000_000_000_000


def record(n: int, size: int = 0) -> bytes:
    return json.dumps({"n": n, "pad": "x" * size}).encode()


def numbers(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [found["n"] for found in json.loads(batch.data)["records"]]


def drained(spool: Spool) -> list[Batch]:
    spool.seal()
    batches: list[Batch] = []
    while batch := spool.oldest():
        batches.append(batch)
        spool.settle()
    return batches


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", "acme", "/spool/1")
    yield spool
    spool.close()


def reopened(spool: Spool) -> Spool:
    """As after a kill -9: nothing was closed, the kernel let go of the lock."""
    spool._lock.release()
    return Spool(spool.refused_folder.parent, "acme", None)


def test_batches_come_out_in_the_order_of_their_records(spool: Spool) -> None:
    for n in range(RECORDS_MAX * 2 + 1):
        spool.append(record(n), NOW_NS)
    batches = drained(spool)
    assert [batch.sequence for batch in batches] == [1, 2, 3]
    assert [n for batch in batches for n in numbers(batch)] == list(range(RECORDS_MAX * 2 + 1))


def test_a_full_batch_is_reported_once_it_can_be_sealed(spool: Spool) -> None:
    assert [spool.append(record(n), NOW_NS) for n in range(RECORDS_MAX)].index(True) == RECORDS_MAX - 1
    spool.seal(also_unfilled=False)
    assert len(numbers(spool.oldest())) == RECORDS_MAX


def test_a_batch_that_is_not_full_stays_open_until_all_is_sealed(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    spool.seal(also_unfilled=False)
    assert spool.oldest() is None
    spool.seal()
    assert numbers(spool.oldest()) == [1]


def test_sealed_bytes_are_on_disk_under_their_number_and_digest(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    spool.seal()
    batch = spool.oldest()
    assert batch is not None
    (path,) = spool.refused_folder.parent.glob("*.sealed")
    assert path.name == f"{1:020d}-{batch.digest}.sealed"
    assert path.read_bytes().endswith(batch.data)


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=12))
def test_the_same_records_are_cut_into_the_same_batches(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    ids = []
    for _ in range(2):
        spool = Spool(tmp_path_factory.mktemp("spool"), "acme", "/spool/1")
        for n, size in enumerate(sizes):
            spool.append(record(n, size), NOW_NS)
        batches = drained(spool)
        spool.close()
        assert [n for batch in batches for n in numbers(batch)] == list(range(len(sizes)))
        assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
        assert all(len(batch.data) <= 768 * 1024 for batch in batches)
        ids.append([batch.id for batch in batches])
    assert ids[0] == ids[1]


def test_a_restart_resumes_what_was_sealed_byte_for_byte(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    spool.seal()
    before = spool.oldest()
    assert drained(reopened(spool)) == [before]


def test_a_restart_seals_what_was_open(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    spool.append(record(2), NOW_NS)
    (batch,) = drained(reopened(spool))
    assert (batch.sequence, numbers(batch)) == (1, [1, 2])


def test_a_record_torn_by_a_crash_is_dropped_and_the_whole_ones_stay(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    spool.append(record(2), NOW_NS)
    (path,) = spool.refused_folder.parent.glob("*.open")
    os.truncate(path, path.stat().st_size - 3)
    (batch,) = drained(reopened(spool))
    assert numbers(batch) == [1]


def test_a_file_without_a_whole_record_is_dropped_and_its_number_is_free(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    (path,) = spool.refused_folder.parent.glob("*.open")
    os.truncate(path, 10)
    again = reopened(spool)
    again.append(record(2), NOW_NS)
    (batch,) = drained(again)
    assert (batch.sequence, numbers(batch)) == (1, [2])


def test_a_crash_between_closing_and_renaming_does_not_close_twice(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise OSError(errno.EIO, "crash")

    spool.append(record(1), NOW_NS)
    with monkeypatch.context() as patch:
        patch.setattr(open_file, "rename_durably", crash)
        with pytest.raises(OSError, match="crash"):
            spool.seal()
    spool.seal()
    assert numbers(spool.oldest()) == [1]
    assert drained(reopened(spool))[0].sequence == 1


def test_a_failed_sync_after_the_rename_is_made_good(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "no sync")

    spool.append(record(1), NOW_NS)
    with monkeypatch.context() as patch:
        patch.setattr(folder, "sync_folder", fail)
        with pytest.raises(OSError, match="no sync"):
            spool.seal()
    spool.seal()
    assert [batch.sequence for batch in drained(spool)] == [1]


def test_a_half_written_file_of_a_crash_is_removed(spool: Spool) -> None:
    half = spool.refused_folder.parent / "origin.json.tmp"
    half.write_bytes(b"{")
    reopened(spool)
    assert not half.exists()


def test_numbers_go_on_after_all_was_delivered(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    drained(spool)
    again = reopened(spool)
    assert (again.last_number, again.settled_number, again.batches_held) == (1, 1, 0)
    again.append(record(2), NOW_NS)
    assert [batch.sequence for batch in drained(again)] == [2]


def test_delivered_batches_leave_one_mark_and_no_bytes_behind(spool: Spool) -> None:
    before = spool.bytes_held
    for n in range(5):
        spool.append(record(n), NOW_NS)
        drained(spool)
    folder = spool.refused_folder.parent
    assert [path.name[:20] for path in folder.glob("0*")] == [f"{5:020d}"]
    assert spool.bytes_held == before + BLOCK_BYTES
    assert reopened(spool).bytes_held == spool.bytes_held


def test_a_refused_batch_is_kept_with_its_answer_and_the_next_follows(spool: Spool) -> None:
    for n in range(2):
        spool.append(record(n), NOW_NS)
        spool.seal()
    refused = spool.oldest()
    assert refused is not None
    spool.refuse({"status": 422, "reason": "no such tenant"})
    assert numbers(spool.oldest()) == [1]
    stem = f"{1:020d}-{refused.digest}"
    assert (spool.refused_folder / f"{stem}.sealed").read_bytes().endswith(refused.data)
    assert json.loads((spool.refused_folder / f"{stem}.json").read_text())["status"] == 422
    assert reopened(spool).bytes_held == spool.bytes_held


def test_a_refused_batch_moved_back_is_sent_again(spool: Spool) -> None:
    spool.append(record(1), NOW_NS)
    spool.seal()
    before = spool.oldest()
    spool.refuse({"status": 422})
    (kept,) = spool.refused_folder.glob("*.sealed")
    kept.rename(spool.refused_folder.parent / kept.name)
    assert drained(reopened(spool)) == [before]


def test_a_batch_moved_back_late_frees_no_later_number(spool: Spool) -> None:
    for n in range(3):
        spool.append(record(n), NOW_NS)
        spool.seal()
    spool.refuse({"status": 422})
    drained(spool)
    (kept,) = spool.refused_folder.glob("*.sealed")
    kept.rename(spool.refused_folder.parent / kept.name)
    again = reopened(spool)
    assert [batch.sequence for batch in drained(again)] == [1]
    assert reopened(again).last_number == 3


def test_a_batch_whose_bytes_changed_is_never_sent(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    spool.append(record(1), NOW_NS)
    spool.seal()
    (path,) = spool.refused_folder.parent.glob("*.sealed")
    path.write_bytes(path.read_bytes().replace(b'"n": 1', b'"n": 9'))
    assert spool.oldest() is None
    assert "damaged" in caplog.text
    assert (spool.refused_folder / path.name).exists()
    assert spool.batches_held == 0


def test_a_batch_that_was_removed_by_hand_holds_nothing_up(spool: Spool) -> None:
    for n in range(2):
        spool.append(record(n), NOW_NS)
        spool.seal()
    sorted(spool.refused_folder.parent.glob("*.sealed"))[0].unlink()
    assert numbers(spool.oldest()) == [1]


def test_a_full_spool_refuses_records_until_something_is_delivered(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "acme", None, bytes_max=100_000)
    n = 0
    while spool.bytes_held < 90_000:
        spool.append(record(n := n + 1, 1_000), NOW_NS)
    with pytest.raises(SpoolFull):
        spool.append(record(0, 10_000), NOW_NS)
    held = spool.bytes_held
    assert 90_000 < held <= 100_000
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 100_000
    spool.seal()
    drained(spool)
    spool.append(record(1_000), NOW_NS)
    drained(spool)
    assert spool.bytes_held < held / 2
    spool.close()


def test_a_full_disk_takes_nothing_and_harms_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write

    def half(fd: int, content: bytes) -> int:
        return real_write(fd, content[: len(content) // 2])

    spool.append(record(1), NOW_NS)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="could be written"):
            spool.append(record(2), NOW_NS)
    spool.append(record(3), NOW_NS)
    (batch,) = drained(spool)
    assert numbers(batch) == [1, 3]


def test_a_disk_that_is_full_at_the_first_record_leaves_no_number_used(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: int, __: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", nothing)
        with pytest.raises(OSError, match="no space"):
            spool.append(record(1), NOW_NS)
    spool.append(record(2), NOW_NS)
    assert [batch.sequence for batch in drained(spool)] == [1]


def test_a_batch_never_repeats_a_request(spool: Spool) -> None:
    spool.append(record(1), NOW_NS, "r-1")
    with pytest.raises(Repeated):
        spool.append(record(2), NOW_NS, "r-1")
    spool.seal()
    spool.append(record(3), NOW_NS, "r-1")
    assert [numbers(batch) for batch in drained(spool)] == [[1], [3]]


def test_a_folder_is_used_by_one_at_a_time(spool: Spool) -> None:
    folder = spool.refused_folder.parent
    with pytest.raises(SpoolInUse):
        Spool(folder, "acme", None)
    spool.close()
    Spool(folder, "acme", None).close()


@pytest.mark.parametrize(("tenant", "source"), [("other", None), ("acme", "/spool/2")])
def test_a_folder_stays_with_its_tenant_and_source(spool: Spool, tenant: str, source: str | None) -> None:
    spool.close()
    with pytest.raises(ValueError, match="belongs to tenant 'acme', source '/spool/1'"):
        Spool(spool.refused_folder.parent, tenant, source)


def test_a_source_is_made_once_per_folder_and_kept(tmp_path: Path) -> None:
    sources = []
    for name in ("a", "a", "b"):
        spool = Spool(tmp_path / name, "acme", None)
        sources.append(spool.origin.source)
        spool.close()
    assert sources[0] == sources[1] != sources[2]


def test_nothing_is_appended_to_a_closed_spool(spool: Spool) -> None:
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        spool.append(record(1), NOW_NS)
