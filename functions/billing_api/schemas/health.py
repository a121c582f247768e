"""Health on the wire."""

from typing import Literal

from functions.billing_api.schemas.common import Answer


class Health(Answer):
    """The API answers, and so does what it depends on."""

    status: Literal["ok"] = "ok"
