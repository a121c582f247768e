"""Dead letters: what could not be delivered, and what to do about it. They need no database."""

import binascii
from base64 import b64decode
from collections.abc import Callable

import msgspec
from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.dead_letters import (
    NO_STATUS,
    Correction,
    CorrectionRequest,
    DeadLetter,
    DeadLetterList,
    DeadLetterQuery,
    Drain,
    Drop,
    LetterChoice,
    LetterPath,
    ReplayChoice,
    Replayed,
    ReplayNote,
    ShownDeadLetter,
)
from shared.domain.dead_letters import LetterFilter, LetterState
from shared.domain.errors import NotFound, Rejected, Unavailable
from shared.service.tenants import Tenants
from shared.service.triage import Triage

_LIST = "dead-letters"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def dead_letter_routes(tenants: Tenants, triage: Callable[[], Triage]) -> APIBlueprint:
    """`triage` raises Unavailable while there is no place where letters are kept."""
    api = routes("dead-letters", "Events that could not be delivered")

    @api.get("/dead-letters", responses={200: DeadLetterList, **problems()})
    def list_dead_letters(query: DeadLetterQuery) -> Response:
        """List dead letters"""
        found = triage().list(
            _filter(query, tenants, query.state),
            limit=query.limit,
            after=read_cursor(_LIST, query.cursor, _letter_id),
            newest_first=query.order == "newest",
        )
        items = [DeadLetter.of(entry) for entry in found.entries]
        return answer(DeadLetterList(items=items, next_cursor=_cursor(found.next)))

    @api.get("/dead-letters/<letter>", responses={200: ShownDeadLetter, **problems(404)})
    def get_dead_letter(path: LetterPath) -> Response:
        """Show a dead letter with all that is wrong with it, and what was done about it"""
        return answer(ShownDeadLetter.shown(triage().show(path.letter)))

    @api.post("/dead-letters/<letter>/replay", responses={200: DeadLetter, **problems(404, 409, body=True)})
    def replay_dead_letter(path: LetterPath, body: ReplayNote) -> Response:
        """Send the event of a dead letter again, as it was: what was counted is not counted again"""
        return answer(DeadLetter.of(triage().replay(path.letter, by=g.caller.name, note=body.note)))

    @api.post("/dead-letters/replay", responses={200: Replayed, **problems(body=True)})
    def replay_dead_letters(body: ReplayChoice) -> Response:
        """Send the events of waiting dead letters again, the oldest first"""
        replayed = triage().replay_all(
            _filter(body, tenants),
            by=g.caller.name,
            limit=body.limit,
            after=read_cursor(_LIST, body.cursor, _letter_id),
        )
        return answer(Replayed.of(replayed, _cursor(replayed.next)))

    @api.post("/dead-letters/drain", responses={200: Replayed, **problems(body=True)})
    def drain_dead_letters(body: Drain) -> Response:
        """Send the usage again that failed only because something was away, if the database is back"""
        replayed = triage().drain(limit=body.limit)
        return answer(Replayed.of(replayed, _cursor(replayed.next)))

    @api.post("/dead-letters/<letter>/correct", responses={200: Correction, **problems(404, 409, body=True)})
    def correct_dead_letter(path: LetterPath, body: CorrectionRequest) -> Response:
        """Send another event, with a new id, in the place of one that is wrong"""
        letter, correction = triage().correct(
            path.letter, _data(body), body.attributes, by=g.caller.name, reason=body.reason
        )
        return answer(Correction(letter=DeadLetter.of(letter), correction=DeadLetter.of(correction)))

    @api.post("/dead-letters/<letter>/drop", responses={200: DeadLetter, **problems(404, 409, body=True)})
    def drop_dead_letter(path: LetterPath, body: Drop) -> Response:
        """Give an event up; its letter stays, as dropped"""
        return answer(DeadLetter.of(triage().drop(path.letter, by=g.caller.name, reason=body.reason)))

    return api


def _filter(choice: LetterChoice, tenants: Tenants, state: LetterState | None = None) -> LetterFilter:
    return LetterFilter(
        state=state,
        tenants=_names(choice.tenant_id, tenants) if choice.tenant_id is not None else None,
        type=choice.type,
        status="" if choice.status == NO_STATUS else choice.status,
        is_exhausted=choice.exhausted,
    )


def _names(ref: str, tenants: Tenants) -> frozenset[str]:
    """All that the tenant goes by: letters name it as their senders did. An unknown one has letters too."""
    try:
        tenant = tenants.get(ref)
    except (NotFound, Unavailable):
        return frozenset({ref})
    return frozenset({ref, str(tenant.id), tenant.slug, *tenant.aliases})


def _data(body: CorrectionRequest) -> bytes | None:
    """The corrected data, byte for byte as it was sent; None where it is not to change. Raises Rejected."""
    given = body.model_fields_set & {"data", "data_base64"}
    if len(given) == 2:
        raise Rejected.because("data_base64", "comes together with data")
    if "data" in given:
        return bytes(_members.decode(request.get_data())["data"])
    if body.data_base64 is None:
        return None
    try:
        return b64decode(body.data_base64, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected.because("data_base64", "is not base64") from None


def _letter_id(id: str) -> str:
    ms, number = map(int, id.split("-"))
    return f"{ms}-{number}"


def _cursor(id: str | None) -> str | None:
    return write_cursor(_LIST, id) if id is not None else None
