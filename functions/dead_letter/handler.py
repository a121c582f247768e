"""What a Broker could not deliver → the dead letters. Needs Redis and nothing else."""

from eventing.delivery import receiver
from functions import bootstrap
from functions.dead_letter.letter import read
from shared.domain.dead_letters import DeadLetter

LETTER_BYTES_MAX = 32 * 1024 * 1024


def _keep(letter: DeadLetter) -> None:
    bootstrap.dead_letters().keep(letter)


handle = receiver(read, _keep, body_bytes_max=LETTER_BYTES_MAX)
