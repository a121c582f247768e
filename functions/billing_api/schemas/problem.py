"""What an error looks like (RFC 9457)."""

from pydantic import Field

from functions.billing_api.schemas.common import Answer


class FieldError(Answer):
    """One thing wrong with a request."""

    field: str = Field(description="A path such as records[3].memory_mb; empty for the request as a whole.")
    message: str


class Problem(Answer):
    """Problem details. Of many errors the first 1,000 are listed and all are counted."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
    error_count: int | None = None
