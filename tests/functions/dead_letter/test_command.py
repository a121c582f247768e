"""The command over letters in memory, and as a process over a real Redis."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from functions.dead_letter.command import COLUMNS, main
from shared.adapters.redis_dead_letters import RedisDeadLetters
from shared.domain.dead_letters import DRAINS_MAX, LetterState
from shared.domain.errors import Fault, Rejected, Unavailable
from shared.service.ingest import Examination
from shared.service.triage import SETTLED_KEPT, Triage
from tests.shared.service.letter_fakes import USAGE, Examiner, MemoryLetters, Sink, letter

CHECKOUT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def letters() -> MemoryLetters:
    return MemoryLetters()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def examiner() -> Examiner:
    return Examiner()


@pytest.fixture
def run(letters: MemoryLetters, sink: Sink, examiner: Examiner, capsys: pytest.CaptureFixture[str]) -> Run:
    def triage() -> Triage:
        return Triage(
            store=letters,
            send=sink,
            examine=examiner,
            give_up=lambda _event: None,
            check_database=lambda: None,
            counted_type=USAGE,
            drained_types=(USAGE,),
            new_id=lambda: UUID(int=7),
        )

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments, triage)
        return code, *capsys.readouterr()

    return run


def test_letters_are_listed_a_line_each(run: Run, letters: MemoryLetters) -> None:
    letters.keep(letter("1", status=""))
    letters.keep(letter("\x1b[2J\n", status="503"))
    code, out, _ = run("list")
    head, newest, oldest = out.splitlines()
    assert (code, head.split("\t")) == (0, list(COLUMNS))
    assert newest.split("\t")[1:4] == ["waiting", "503", "1"]
    assert r"\x1b[2J\n" in newest
    assert oldest.split("\t")[2] == "-"
    assert len(run("list", "--status", "none")[1].splitlines()) == 2
    assert run("list", "--oldest", "--limit", "1")[1].splitlines()[-1].startswith("more behind: --after ")


def test_what_every_destination_said_stands_in_the_line_and_in_what_is_shown(
    run: Run, letters: MemoryLetters
) -> None:
    letters.keep(letter(status="503", destination="http://aggregator"))
    letters.keep(letter(status="", destination=""))
    id = letters.keep(letter(status="422", destination="http://party"))
    line = run("list", "--status", "503")[1].splitlines()[1].split("\t")
    assert line[1:4] == ["waiting", "422,-,503", "3"]
    assert line[-1] == "422 from http://party | nothing from  | 503 from http://aggregator"
    shown = json.loads(run("show", id)[1])
    assert [failure["status"] for failure in shown["destinations"]] == ["422", "", "503"]
    assert shown["destinations"][0]["failed_at"] == shown["failed_at"]


def test_what_was_drained_in_vain_is_said_and_listed_and_sent_on_demand(
    run: Run, letters: MemoryLetters
) -> None:
    for n in range(DRAINS_MAX):
        letters.keep(letter(status="503", arrival=f"{n}"))
        assert run("drain") == (0, "replayed 1\n", "")
    letters.keep(letter(status="503", arrival="at last"))
    letters.keep(letter("2"))
    assert run("drain") == (0, "replayed 0\nleft to people: 1\n", "")
    (_, line) = run("list", "--exhausted")[1].splitlines()
    assert line.split("\t")[1] == "waiting, exhausted"
    assert run("replay", "--exhausted")[1] == "replayed 1\n"
    assert len(run("list", "--exhausted")[1].splitlines()) == 1


def test_letters_settled_long_ago_are_removed(run: Run, letters: MemoryLetters) -> None:
    run("drop", letters.keep(letter()), "--reason", "ours")
    assert run("tidy") == (0, "removed 0\n", "")
    letters.now += SETTLED_KEPT
    assert run("tidy") == (0, "removed 1\n", "")


def test_a_letter_is_shown_with_faults_and_history(
    run: Run, letters: MemoryLetters, examiner: Examiner
) -> None:
    id = letters.keep(letter(data=b'{"n": 1.50}'))
    examiner.found[b'{"n": 1.50}'] = Examination((Fault("memory_mb", "must not be negative"),), 1)
    shown = json.loads(run("show", id)[1])
    assert shown["faults"] == ["memory_mb: must not be negative"]
    assert (shown["data"], shown["answer"], shown["state"]) == ('{"n": 1.50}', "said", "waiting")
    assert shown["history"][0]["action"] == "failed"


def test_letters_are_replayed_by_name_or_by_what_they_are(
    run: Run, letters: MemoryLetters, sink: Sink
) -> None:
    ids = [letters.keep(letter(str(n), tenant=tenant)) for n, tenant in enumerate(["acme", "b", "acme"])]
    assert run("replay", ids[1], "--by", "ann")[0] == 0
    assert run("replay", "--tenant", "acme")[1] == "replayed 2\n"
    assert sink.ids == ["1", "0", "2"]
    assert letters.actions[ids[1]][-1].by == "ann"


def test_a_letter_is_corrected_from_a_file(
    run: Run, letters: MemoryLetters, sink: Sink, tmp_path: Path
) -> None:
    id = letters.keep(letter())
    right = tmp_path / "right.json"
    right.write_bytes(b'{"n": 2.50}\n')
    code, out, _ = run("correct", id, "--data", str(right), "--set", "tenantid=globex", "--reason", "typo")
    assert (code, [line.split("\t")[1] for line in out.splitlines()]) == (0, ["corrected", "replayed"])
    ((attributes, data),) = sink.sent
    assert (attributes["tenantid"], data) == ("globex", b'{"n": 2.50}\n')


def test_letters_are_dropped_and_drained(run: Run, letters: MemoryLetters, sink: Sink) -> None:
    ours, away = letters.keep(letter("1")), letters.keep(letter("2", status="503"))
    assert run("drop", ours, "--reason", "ours", "--by", "ann")[0] == 0
    assert letters.letters[ours].entry.state is LetterState.DROPPED
    assert run("drain") == (0, "replayed 1\n", "")
    assert letters.letters[away].entry.state is LetterState.REPLAYED
    with pytest.raises(SystemExit):
        run("drop", ours)


def test_what_is_refused_or_away_is_said_by_the_exit_code(
    run: Run, letters: MemoryLetters, sink: Sink
) -> None:
    id = letters.keep(letter())
    sink.fails["1"] = Rejected(Fault("source", "is missing"), Fault("id", "is missing"))
    assert run("replay", id) == (1, "", "source: is missing\nid: is missing\n")
    assert run("show", "1-1")[0] == 1
    sink.is_away = True
    assert run("replay")[::2] == (75, "the sink is away\n")
    letters.failure = Unavailable("Redis is away")
    assert run("list")[::2] == (75, "Redis is away\n")


def test_data_is_written_as_it_is(run: Run, letters: MemoryLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    id = letters.keep(letter(data=b"\xff\x00"))
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    run("data", id)
    assert isinstance(out.buffer, io.BytesIO)
    assert out.buffer.getvalue() == b"\xff\x00"


def test_as_a_process_it_needs_only_redis(letters_url: str) -> None:
    store = RedisDeadLetters(letters_url)
    id = store.keep(letter(data=b'{"memory_mb": -1}'))
    store.close()

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "functions.dead_letter.command", *arguments],
            cwd=CHECKOUT,
            env={"PATH": "/usr/bin:/bin", "REDIS_URL": letters_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert id in command("list").stdout
    shown = json.loads(command("show", id).stdout)
    assert {fault.partition(":")[0] for fault in shown["faults"]} == {"memory_mb", "service_name"}
    assert shown["is_checked"] is False
    assert command("drop", id, "--reason", "a test").returncode == 0
    assert command("tidy").stdout == "removed 0\n"
    drained = command("drain")
    assert (drained.returncode, drained.stderr) == (75, "DATABASE_URL is not set\n")
