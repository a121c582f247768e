"""Dead letters from the command line: list, show, replay, correct, drop, drain, tidy.

    python -m functions.dead_letter.command list --state waiting --status 422

It needs REDIS_URL; K_SINK to send events; DATABASE_URL to drain, to correct usage, and to show all faults.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from functions import bootstrap
from shared.config import environment
from shared.domain.dead_letters import LetterEntry, LetterFilter, LetterState
from shared.domain.errors import Rejected, Unavailable
from shared.service.triage import DRAIN_MAX, SETTLED_KEPT, TIDY_MAX, Replayed, Triage

COLUMNS: Final = ("id", "state", "status", "failures", "type", "tenant", "source", "event_id", "reason")
REASON_SHOWN: Final = 120


def main(arguments: Sequence[str] | None = None, triage: Callable[[], Triage] = bootstrap.triage) -> int:
    """Exit code: 0 done, 1 refused, 2 wrong usage, 75 try again later."""
    given = _parser().parse_args(arguments)
    try:
        for line in given.run(triage(), given):
            sys.stdout.write(f"{line}\n")
    except Rejected as refusal:
        sys.stderr.write("".join(f"{fault}\n" for fault in refusal.faults))
        return 1
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 75
    return 0


def _list(triage: Triage, given: Namespace) -> list[str]:
    page = triage.list(_filter(given), limit=given.limit, after=given.after, newest_first=given.newest)
    more = [f"more behind: --after {page.next}"] if page.next is not None else []
    return ["\t".join(COLUMNS), *map(_line, page.entries), *more]


def _show(triage: Triage, given: Namespace) -> list[str]:
    shown = triage.show(given.id)
    found = {
        **asdict(shown.kept.entry),
        "is_exhausted": shown.kept.entry.is_exhausted,
        "answer": shown.kept.letter.answer,
        "attributes": dict(shown.kept.letter.attributes),
        "is_checked": shown.examination.is_complete,
        "is_counted": shown.examination.is_counted,
        "fault_count": shown.examination.total,
        "faults": [str(fault) for fault in shown.examination.faults],
        "history": shown.history,
        "data": shown.kept.letter.data.decode(errors="replace"),
    }
    return [msgspec.json.format(msgspec.json.encode(found), indent=2).decode()]


def _data(triage: Triage, given: Namespace) -> list[str]:
    sys.stdout.buffer.write(triage.show(given.id).kept.letter.data)
    return []


def _replay(triage: Triage, given: Namespace) -> list[str]:
    if given.ids:
        return [_line(triage.replay(id, by=given.by, note=given.reason)) for id in given.ids]
    wanted = _filter(given)
    return _told(triage.replay_all(wanted, by=given.by, limit=given.limit, after=given.after))


def _correct(triage: Triage, given: Namespace) -> list[str]:
    changed = dict(_attribute(text) for text in given.set)
    data = _read(given.data) if given.data is not None else None
    return list(map(_line, triage.correct(given.id, data, changed, by=given.by, reason=given.reason)))


def _read(path: str) -> bytes:
    return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()


def _drop(triage: Triage, given: Namespace) -> list[str]:
    return [_line(triage.drop(id, by=given.by, reason=given.reason)) for id in given.ids]


def _drain(triage: Triage, given: Namespace) -> list[str]:
    return _told(triage.drain(limit=given.limit))


def _tidy(triage: Triage, given: Namespace) -> list[str]:
    return [f"removed {triage.tidy(limit=given.limit)}"]


def _told(replayed: Replayed) -> list[str]:
    """What became of many; raises Unavailable where the sink took none."""
    if replayed.stopped and not replayed.replayed:
        raise Unavailable(replayed.stopped)
    lines = [f"replayed {replayed.replayed}"]
    lines += [f"not replayed: {refusal.id}: {refusal.reason}" for refusal in replayed.refused]
    lines += [f"left to people: {replayed.exhausted}"] if replayed.exhausted else []
    lines += [f"stopped: {replayed.stopped}"] if replayed.stopped else []
    return [*lines, *([f"more behind: --after {replayed.next}"] if replayed.next else [])]


def _line(entry: LetterEntry) -> str:
    """One letter; texts of senders are shown so that they are harmless in a terminal.

    Statuses and reasons are those of every destination that failed, the newest first.
    """
    shown = {name: _harmless(str(getattr(entry, name))) for name in COLUMNS}
    reasons = [failure.reason for failure in entry.destinations] or [entry.reason]
    shown["reason"] = " | ".join(_harmless(reason)[:REASON_SHOWN] for reason in reasons)
    shown["status"] = _harmless(",".join(status or "-" for status in entry.statuses))
    shown["state"] += ", exhausted" if entry.is_exhausted else ""
    return "\t".join(text or "-" for text in shown.values())


def _harmless(text: str) -> str:
    return ascii(text)[1:-1]


def _attribute(text: str) -> tuple[str, str | None]:
    name, given, value = text.partition("=")
    return name, value if given else None


def _filter(given: Namespace) -> LetterFilter:
    state = getattr(given, "state", None)
    return LetterFilter(
        state=LetterState(state) if state else None,
        tenants=frozenset({given.tenant}) if given.tenant else None,
        type=given.type,
        status="" if given.status == "none" else given.status,
        is_exhausted=given.exhausted or None,
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m functions.dead_letter.command", description="Dead letters.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Callable[[Triage, Namespace], list[str]], about: str) -> Any:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(run=run)
        return added

    listing = command("list", _list, "List letters, the newest first.")
    listing.add_argument("--state", choices=[state.value for state in LetterState])
    listing.add_argument("--oldest", dest="newest", action="store_false", help="the oldest first")
    command("show", _show, "Show a letter, all that is wrong with it, and its history.").add_argument("id")
    command("data", _data, "Write a letter's data as it is.").add_argument("id")
    replaying = command("replay", _replay, "Send letters again: these, or the waiting ones chosen.")
    replaying.add_argument("ids", nargs="*", metavar="id")
    correcting = command("correct", _correct, "Send another event in the place of a letter's.")
    correcting.add_argument("id")
    correcting.add_argument("--data", metavar="FILE", help="a file, or - for standard input")
    correcting.add_argument(
        "--set", action="append", default=[], metavar="NAME=TEXT", help="change an attribute; NAME removes it"
    )
    dropping = command("drop", _drop, "Give letters up; they stay visible.")
    dropping.add_argument("ids", nargs="+", metavar="id")
    draining = command("drain", _drain, "Send again what failed only because something was away.")
    draining.add_argument("--limit", type=int, default=DRAIN_MAX)
    tidying = command("tidy", _tidy, f"Remove letters settled {SETTLED_KEPT.days} days ago.")
    tidying.add_argument("--limit", type=int, default=TIDY_MAX)
    for chooses in (listing, replaying):
        chooses.add_argument("--tenant", help="as the sender wrote it")
        chooses.add_argument("--type")
        chooses.add_argument("--status", help="what a destination answered, such as 422, or none")
        chooses.add_argument(
            "--exhausted", action="store_true", help="only those that were drained too often in vain"
        )
        chooses.add_argument("--limit", type=int, default=100)
        chooses.add_argument("--after", metavar="ID")
    for acts, needs_reason in ((replaying, False), (correcting, True), (dropping, True)):
        acts.add_argument("--by", default=environment().get("USER", "command"), help="who you are")
        acts.add_argument("--reason", required=needs_reason, default="")
    return parser


if __name__ == "__main__":
    sys.exit(main())
