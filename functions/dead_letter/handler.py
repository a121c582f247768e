"""What a Broker could not deliver → the dead letters. Needs Redis and nothing else."""

import logging

from eventing import types
from eventing.delivery import Receiver
from eventing.event import clip
from functions import bootstrap
from functions.dead_letter.letter import read
from shared.domain.dead_letters import DeadLetter

_log = logging.getLogger(__name__)

LETTER_BYTES_MAX = 32 * 1024 * 1024


REASON_SHOWN = 512


def _keep(letter: DeadLetter) -> None:
    if letter.type in types.HEALED_BY_SWEEPS:
        _log.info(
            "not kept, the next sweep makes it good: %s: %s", letter.type, clip(letter.reason, REASON_SHOWN)
        )
        return
    bootstrap.dead_letters().keep(letter)


events = Receiver(_keep, read, body_bytes_max=LETTER_BYTES_MAX)
handle = events.function()
