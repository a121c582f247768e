"""Who calls: the one place where it is decided. API keys, OIDC tokens and roles come in here."""

from dataclasses import dataclass
from hmac import compare_digest

from flask import Request

SCHEME = "Bearer"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent the request, as far as the API trusts them: today the administrator, who may do all."""

    name: str


class Unauthenticated(Exception):
    """The request does not say, or cannot prove, who calls."""

    def __init__(self, reason: str, *, challenge: str) -> None:
        super().__init__(reason)
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows callers by their key. Without a configured key nobody is known."""

    admin_api_key: str

    def caller(self, request: Request) -> Caller:
        """Raises Unauthenticated unless `Authorization: Bearer <key>` carries a known key."""
        given = request.authorization
        if given is None or given.type != SCHEME.lower() or not given.token:
            raise Unauthenticated(
                "send Authorization: Bearer <key>", challenge=f'{SCHEME} realm="faas-billing"'
            )
        if self.admin_api_key and compare_digest(given.token.encode(), self.admin_api_key.encode()):
            return Caller("admin")
        raise Unauthenticated(
            "the key is not known", challenge=f'{SCHEME} realm="faas-billing", error="invalid_token"'
        )
