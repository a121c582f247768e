"""JSON over HTTP, for programs of this folder that ask the product's own servers."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_S: Final = 30.0


class NoAnswer(Exception):
    """The server did not answer, or not with what was asked for; the text says why."""


def ask(url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """GET without a body, POST with one; whole and fractional numbers of the answer come as int and str.

    Raises NoAnswer for anything but a 2xx with JSON.
    """
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        # A proxy of the environment is not for servers of our own.
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(), parse_float=str)
    except HTTPError as error:
        with error:
            raise NoAnswer(
                f"{url} answered {error.code}: {error.read(2_000).decode(errors='replace')}"
            ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(f"{url}: {error}") from error
