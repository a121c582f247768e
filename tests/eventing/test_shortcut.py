"""A binary event is answered the same whether it goes through the framework or past it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from eventing.codec import Event
from eventing.delivery import event_receiver
from eventing.shortcut import Application, shortcut
from shared.domain.errors import Rejected, TooLarge, Unavailable

BINARY = {"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "t"}


@dataclass
class Both:
    """A function with the framework alone, and with the shortcut before it."""

    consume: Callable[[Event], None]
    taken: list[Event] = field(default_factory=list)
    through_framework: int = 0

    def __post_init__(self) -> None:
        receiver = event_receiver(self._take, body_bytes_max=1_000)
        app, function = Flask(__name__), receiver.function()
        app.add_url_rule("/<path:_path>", "f", lambda _path: function(request), methods=["GET", "POST"])

        def counted(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            self.through_framework += 1
            return app.wsgi_app(environ, start_response)

        self.framework: Application = counted
        self.short = shortcut(receiver, counted)

    def _take(self, event: Event) -> None:
        self.taken.append(event)
        self.consume(event)


def environ_of(body: bytes, headers: dict[str, str], method: str = "POST") -> dict[str, Any]:
    return EnvironBuilder("/a/b", method=method, data=body, headers=list(headers.items())).get_environ()


def answered(application: Application, environ: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
    started: list[Any] = []
    body = b"".join(application(environ, lambda *answer: started.append(answer)))
    ((status, headers),) = started
    return status, {name.lower(): value for name, value in headers}, body


def accept(_event: Event) -> None:
    pass


def raising(error: Exception) -> Callable[[Event], None]:
    def consume(_event: Event) -> None:
        raise error

    return consume


@pytest.mark.parametrize(
    "consume",
    [
        accept,
        raising(Rejected.because("data", "is wrong")),
        raising(TooLarge.because("data", "is too large")),
        raising(Unavailable("away")),
        raising(ZeroDivisionError()),
    ],
)
def test_each_answer_is_that_of_the_framework(consume: Callable[[Event], None]) -> None:
    both = Both(consume)
    environs = [environ_of(b'{"a":1}', {**BINARY, "Content-Type": "application/json"}) for _ in range(2)]
    assert answered(both.short, environs[0]) == answered(both.framework, environs[1])
    assert both.through_framework == 1
    first, second = both.taken
    assert (first, first.data) == (second, second.data)


header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))


@given(
    st.dictionaries(
        st.sampled_from(
            ["Ce-Id", "Ce-Source", "Ce-Type", "Ce-Time", "Ce-Tenantid", "Ce-A_B", "Content-Type", "X"]
        ),
        header_values,
    ),
    st.binary(max_size=1_200),
)
def test_whatever_is_sent_both_ways_say_and_hand_over_the_same(headers: dict[str, str], body: bytes) -> None:
    both = Both(accept)
    sent = {"Ce-Specversion": "1.0", **headers}
    assert answered(both.short, environ_of(body, sent)) == answered(both.framework, environ_of(body, sent))
    if both.taken:
        first, second = both.taken
        assert (first, first.data) == (second, second.data)


@pytest.mark.parametrize("length", ["", "-1", "+3", "1e3", "٣", "9" * 5_000, "1001"])
def test_what_has_no_plain_length_goes_through_the_framework(length: str) -> None:
    both = Both(accept)
    environ = environ_of(b"{}", BINARY)
    environ["CONTENT_LENGTH"] = length
    answered(both.short, environ)
    assert both.through_framework == 1


def test_structured_events_chunks_and_other_methods_go_through_the_framework() -> None:
    both = Both(accept)
    structured = json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}).encode()
    chunked = environ_of(b"{}", BINARY) | {"HTTP_TRANSFER_ENCODING": "chunked"}
    for environ in (
        environ_of(structured, {"Content-Type": "application/cloudevents+json"}),
        environ_of(b"", BINARY, "GET"),
        chunked,
    ):
        answered(both.short, environ)
    assert both.through_framework == 3


@pytest.mark.parametrize("path", ["/metrics", "/health/liveness", "/health/readiness"])
def test_probes_and_metrics_take_no_events_either_way(path: str) -> None:
    both = Both(accept)
    environs = [environ_of(b"{}", BINARY) | {"PATH_INFO": path} for _ in range(2)]
    assert answered(both.short, environs[0]) == answered(both.framework, environs[1])
    assert not both.taken


def test_a_body_that_ends_early_is_not_taken_for_the_whole() -> None:
    both = Both(accept)
    environ = environ_of(b"[1,2]", BINARY)
    environ["CONTENT_LENGTH"] = "10"
    status, _, body = answered(both.short, environ)
    assert (status, json.loads(body)["errors"][0]["field"]) == ("422 UNPROCESSABLE ENTITY", "body")
    assert not both.taken


def test_a_body_that_comes_in_pieces_is_taken_whole() -> None:
    class Pieces(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(2, size or 0))

    both = Both(accept)
    environ = environ_of(b"[1,2]", BINARY)
    environ["wsgi.input"] = Pieces(b"[1,2]")
    answered(both.short, environ)
    assert [event.data for event in both.taken] == [b"[1,2]"]
