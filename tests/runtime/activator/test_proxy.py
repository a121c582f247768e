"""The door of a function, byte for byte: real sockets on both sides."""

import asyncio
import gzip
import hashlib
import os

import pytest

from tests.runtime.activator.fakes import IDLE_S, in_loop, settle
from tests.runtime.activator.wire import NO_CONTENT, Message, Upstream, opened, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@in_loop
async def test_the_head_of_a_request_arrives_as_it_was_sent() -> None:
    head = (
        b"POST //a%2Fb/../c?x=1&x=%C3%A9&y? HTTP/1.1\r\n"
        b"hOsT: billing-tiny.billing.svc.cluster.local\r\n"
        b"ce-Subject: \xc3\xa9t\xc3\xa9\r\n"
        b"X-Twice: one\r\n"
        b"Accept-Encoding: gzip\r\n"
        b"x-twice: two\r\n"
        b"Cookie: a=1; b=2\r\n"
        b"Content-Length: 2\r\n\r\n"
    )
    async with opened() as door:
        await door.call(head + b"{}")
    spelled_once = head.replace(b"hOsT", b"Host").replace(b"x-twice", b"X-Twice")
    assert door.upstream.request == Message(spelled_once, b"{}")


@in_loop
async def test_nothing_is_added_to_a_request() -> None:
    async with opened() as door:
        await door.call(b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n")
    assert door.upstream.request == Message(b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n")


@in_loop
async def test_what_is_for_one_connection_alone_is_not_passed_on() -> None:
    async with opened(
        Upstream([answer(b"", b"Connection: keep-alive, X-Own", b"X-Own: 1", b"X-Far: 2")])
    ) as door:
        answered = await door.call(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-mine\r\nKeep-Alive: timeout=5\r\n"
            b"X-Mine: 1\r\nTE: trailers\r\nX-Theirs: 2\r\n\r\n"
        )
    assert door.upstream.request.headers == [b"Host: a", b"X-Theirs: 2"]
    assert [line for line in answered.headers if line.startswith((b"X-", b"Conn"))] == [b"X-Far: 2"]


@in_loop
async def test_an_answer_arrives_as_it_was_sent() -> None:
    sent = answer(
        gzip.compress(b"{}"),
        b"Server: tiny",
        b"Date: now",
        b"set-cookie: a=1",
        b"set-cookie: b=2",
        b"content-type: application/json; charset=utf-8",
        b"Content-Encoding: gzip",
        b"X-Name: \xc3\xa9",
        b"Location: /elsewhere",
        status=b"308 Over There",
    )
    async with opened(Upstream([sent])) as door:
        answered = await door.call(GET)
        await door.call(GET)
    assert answered.head + answered.body == sent
    assert door.upstream.requests == [Message(GET), Message(GET)]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_keeps_its_bytes_and_its_framing(framing: str) -> None:
    body = gzip.compress(os.urandom(100_000))

    @in_loop
    async def story() -> None:
        if framing == "length":
            lines, sent = b"Content-Length: %d" % len(body), body
        else:
            chunks = (body[i : i + 9000] for i in range(0, len(body), 9000))
            lines = b"Transfer-Encoding: chunked"
            sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        async with opened(
            Upstream([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + lines + b"\r\n\r\n" + sent])
        ) as door:
            answered = await door.call(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n" + lines + b"\r\n\r\n" + sent
            )
        for message in (door.upstream.request, answered):
            assert message.body == body
            framed = [line for line in message.headers if line.startswith((b"Content-Length", b"Transfer"))]
            assert framed == [lines]

    story()


@in_loop
async def test_a_big_body_goes_both_ways() -> None:
    body = os.urandom(20 * 2**20)
    async with opened(Upstream([answer(body)])) as door:
        answered = await door.call(
            b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
    wanted = hashlib.sha256(body).digest()
    assert hashlib.sha256(door.upstream.request.body).digest() == wanted
    assert hashlib.sha256(answered.body).digest() == wanted


@in_loop
async def test_head_is_answered_with_the_length_of_what_get_would_get() -> None:
    head = b"HTTP/1.1 200 OK\r\nServer: tiny\r\nDate: now\r\nContent-Length: 1000\r\n\r\n"
    async with opened(Upstream([head])) as door, door.client() as client:
        request = GET.replace(b"GET", b"HEAD")
        assert (await client.call(request, head_only=True)).head == head
        assert (await client.call(request, head_only=True)).head == head
    assert door.upstream.requests == [Message(request)] * 2


@in_loop
async def test_the_error_of_a_function_is_passed_on_with_its_body() -> None:
    refused = answer(
        b"records[0]: bad", b"Server: tiny", b"Date: now", b"Content-Type: a/b", status=b"422 No"
    )
    async with opened(Upstream([refused])) as door:
        answered = await door.call(GET)
    assert answered.head + answered.body == refused


@in_loop
async def test_a_connection_is_used_for_many_requests_on_both_sides() -> None:
    async with opened() as door, door.client() as client:
        for _ in range(3):
            await client.call(GET)
    assert len(door.upstream.requests) == 3
    assert len(door.upstream.connections) == 1


@in_loop
async def test_an_idle_connection_that_the_instance_has_closed_fails_no_request() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    async with opened(Upstream([NO_CONTENT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")])) as door:
        for _ in range(3):
            assert (await door.call(post)).start == b"HTTP/1.1 204 No Content"
    assert len(door.upstream.connections) == 3


@in_loop
async def test_a_header_that_is_not_utf_8_is_refused_and_the_door_goes_on() -> None:
    async with opened() as door, door.client() as client:
        refused = await client.call(b"GET / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: caf\xe9\r\n\r\n")
        assert refused.start == b"HTTP/1.1 400 Bad Request"
        assert refused.body == b"Idempotency-Key is not UTF-8\n"
        assert (await client.call(GET)).start == b"HTTP/1.1 204 No Content"
    assert door.upstream.requests == [Message(GET)]


@in_loop
async def test_an_answer_that_cannot_be_passed_on_whole_is_a_502() -> None:
    async with opened(Upstream([answer(b"", b"X-Name: caf\xe9"), NO_CONTENT])) as door:
        assert (await door.call(GET)).start == b"HTTP/1.1 502 Bad Gateway"
        assert (await door.call(GET)).start == b"HTTP/1.1 204 No Content"


@in_loop
async def test_an_instance_that_breaks_off_before_it_answers_is_a_502_and_is_not_asked_again() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    async with opened(Upstream([NO_CONTENT, b"", b"", NO_CONTENT])) as door:
        await door.call(GET)
        for request in (GET, post):
            answered = await door.call(request)
            assert answered.start == b"HTTP/1.1 502 Bad Gateway"
            assert answered.body == b"billing-tiny broke off\n"
        assert (await door.call(GET)).start == b"HTTP/1.1 204 No Content"
    assert len(door.upstream.requests) == 4


@in_loop
async def test_a_request_that_is_not_answered_in_time_is_a_504_and_is_dropped() -> None:
    async with opened(timeout_s=0.2) as door, door.client() as client:
        door.upstream.open.clear()
        refused = await client.call(GET)
        assert refused.start == b"HTTP/1.1 504 Gateway Timeout"
        assert refused.body == b"billing-tiny took longer than 0.2 s\n"
        await until(door.upstream.connections[0].at_eof)
        door.upstream.open.set()
        assert (await client.call(GET)).start == b"HTTP/1.1 204 No Content"
        await door.fleet.after(IDLE_S)
        await until(lambda: not door.fleet.revision.instances)  # it has no request any more


@in_loop
async def test_the_wait_for_an_instance_counts_and_who_is_refused_leaves_the_queue() -> None:
    async with opened(ready=False, timeout_s=0.2) as door:
        assert (await door.call(GET)).start == b"HTTP/1.1 504 Gateway Timeout"
        await door.fleet.ready()
        await door.fleet.after(IDLE_S)
        assert not door.fleet.revision.instances
    assert door.upstream.requests == []


@in_loop
async def test_an_answer_that_does_not_end_in_time_does_not_look_whole() -> None:
    part = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
    async with opened(Upstream([part]), timeout_s=0.2) as door, door.client() as client:
        client.writer.write(GET)
        assert b"part" in await client.reader.readuntil(b"part\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.reader.readexactly(1)
        await until(door.upstream.connections[0].at_eof)


@in_loop
async def test_an_answer_that_breaks_off_does_not_look_whole() -> None:
    async with opened(
        Upstream([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\npart"])
    ) as door:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await door.call(GET)


@in_loop
async def test_a_request_that_could_not_be_sent_goes_to_the_next_instance() -> None:
    async with opened() as door:
        running = await door.fleet.revision.acquire()
        door.fleet.revision.lost(running, "ended")
        await door.fleet.after(2)
        await door.fleet.ready()  # listens nowhere
        calling = asyncio.create_task(
            door.call(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        )
        await until(lambda: not door.fleet.revision.instances)
        await door.fleet.after(2)
        door.fleet.launched[2].port = door.upstream.port
        await door.fleet.ready()
        assert (await calling).start == b"HTTP/1.1 204 No Content"
    assert door.upstream.request.body == b"body"


@in_loop
async def test_a_function_that_does_not_start_is_a_503_that_names_it_and_its_log() -> None:
    async with opened(ready=False) as door:
        calling = asyncio.create_task(door.call(GET))
        await until(lambda: bool(door.fleet.launched))
        await door.fleet.fail()
        answered = await calling
    assert answered.start == b"HTTP/1.1 503 Service Unavailable"
    assert answered.body == b"billing-tiny does not start; /state/logs/billing-tiny.log says why\n"


@in_loop
async def test_no_body_is_asked_for_before_there_is_an_instance() -> None:
    async with opened(ready=False) as door, door.client() as client:
        client.writer.write(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
        await until(lambda: bool(door.fleet.launched))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.readexactly(1), 0.1)
        await door.fleet.ready()
        assert (await client.call(b"", head_only=True)).head == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.call(b"body")).start == b"HTTP/1.1 204 No Content"
    assert door.upstream.request.body == b"body"
    assert b"Expect" not in door.upstream.request.head


@in_loop
async def test_a_client_that_goes_away_takes_its_request_along() -> None:
    async with opened(ready=False) as door:
        async with door.client() as waiting:
            waiting.writer.write(GET)
            await until(lambda: bool(door.fleet.launched))
        await settle()
        await door.fleet.ready()
        door.upstream.open.clear()
        async with door.client() as in_flight:
            in_flight.writer.write(GET.replace(b" / ", b" /in-flight "))
            await until(lambda: bool(door.upstream.requests))
        await until(door.upstream.connections[0].at_eof)
        door.upstream.open.set()
        await door.fleet.after(IDLE_S)
        await until(lambda: not door.fleet.revision.instances)  # it has no request any more
    assert door.upstream.request.start == b"GET /in-flight HTTP/1.1"
