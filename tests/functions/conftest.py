from collections.abc import Iterator

import pytest

from functions.background import Background
from tests.functions.working import Started


@pytest.fixture
def started() -> Iterator[Started]:
    backgrounds: list[Background] = []

    def keep(background: Background) -> Background:
        backgrounds.append(background)
        return background

    yield keep
    for background in backgrounds:
        background.stop()
