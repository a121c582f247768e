"""What a Knative Broker does, by number, and which of it the embedded one leaves out.

A test names the numbers that it is about: `test_21_and_22_…`, `test_7_to_15_…`.
"""

import re
from collections.abc import Iterator

NAMES = {
    1: "POST /<namespace>/<broker> only, empty answers, Allow",
    2: "OPTIONS says how to post",
    3: "other verbs are 405",
    4: "/ is 404, a wrong depth 400, an unknown name 404; the query is part of the name",
    5: "binary and structured events in; batches and plain JSON are 400",
    6: "id, source, type, specversion, time, names and types of extensions are checked",
    7: "names in lower case, every value a text",
    8: "time in UTC",
    9: "the bytes of data as they came",
    10: "out in binary mode, or structured where delivery.format is json",
    11: "knativearrivaltime is set and replaced",
    12: "knativebrokerttl: 255, one less each pass, refused at 0; only dead-letter sinks see it",
    13: "X-Request-Id, Knative-*, X-B3-* and Retry-After go on",
    14: "Prefer: reply and Kn-Namespace are added",
    15: "Authorization and other headers do not go on",
    16: "synchronous by default: answers when every Trigger is done",
    17: "asynchronous by annotation: answers at once, loses on a crash",
    18: "no match is 202",
    19: "Triggers run side by side, without order; none holds another up",
    20: "a producer that goes away cancels retries and dead letters",
    21: "retried: no connection, timeout, 404, 408, 409, 429, 5xx; the rest fails at once",
    22: "waits: exponential d·2^i, linear d·i, from i = 0",
    23: "no delivery: the webhook's 10 retries, exponential, 0.2 s",
    24: "durations count to one decimal",
    25: "a timeout per request",
    26: "Retry-After counts only with retryAfterMax",
    27: "a Trigger's delivery replaces the Broker's whole, but for the dead-letter sink",
    28: "an empty 2xx is done",
    29: "a 2xx with a body that is no event fails as 502",
    30: "a 2xx with an event is a reply, taken in like any event, one hop older",
    31: "a refused reply fails the original",
    32: "a reply without datacontenttype becomes text/plain",
    33: "redirects: 301 to 303 lose the body, 307 and 308 are posted again",
    34: "dead letters: same retries; knativeerrordest, -code, -data, but none after a timeout or 502",
    35: "a dead-letter sink's success is 202, its reply is ignored",
    36: "error bodies over 768 bytes crash the dispatcher",
    37: 'filter.attributes: "" is any value, and always true for time',
    38: "filters: every dialect, precedence, empty objects, missing attributes",
    39: "duplicates and a restart on demand",
    40: "durable 202, as of the Kafka Broker",
}

LEFT_OUT = {
    16: "the embedded broker answers when the event is on disk, as the Kafka Broker does (40)",
    17: "the same: nothing that is answered with 202 may be lost",
    20: "the same: what is on disk is delivered whether or not the producer waits",
}

STRICTER = {
    33: "any redirect is a failure and an ERROR: behind a real Broker 301 to 303 lose the event",
    35: "the 202 is 40's, on disk, before the dead-letter sink is asked",
    36: "from 513 bytes on an ERROR that names the Trigger",
    38: "cesql is refused when the Trigger is loaded",
    39: "a restart loses nothing (40)",
}


def numbers_of(test: str) -> Iterator[int]:
    """The behaviours that a test's name names."""
    if match := re.match(r"test_((?:\d+_(?:and_|to_)?)+)", test):
        words = match[1].strip("_").split("_")
        for before, word in zip(["", *words], words, strict=False):
            if word.isdigit():
                first = int(words[words.index("to") - 1]) + 1 if before == "to" else int(word)
                yield from range(first, int(word) + 1)
