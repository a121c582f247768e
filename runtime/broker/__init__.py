"""A Knative Broker for development: one process on Redis Streams, with the contract that functions meet.

Not a production broker: one node, no users, TLS or topics. What it does is numbered, here, in its log and in
its tests, so that the same numbers can be checked on a real Broker:

 1 POST /<namespace>/<broker> only, empty answers, Allow     2 OPTIONS says how to post     3 other verbs 405
 4 / is 404, a wrong depth 400, an unknown name 404; the query is part of the name, a trailing slash is not
 5 binary and structured events in; batches and plain JSON 400
 6 id, source, type, specversion (1.0 and 0.3), time, names and types of extensions are checked
 7 names in lower case, every value a text      8 time in UTC      9 the bytes of data as they came
10 out in binary mode      11 knativearrivaltime is set
12 knativebrokerttl: 255, one less each pass, refused at 0; only dead-letter sinks see it
13 of the headers X-Request-Id, Knative-*, X-B3-* and Retry-After go on      14 Prefer: reply, Kn-Namespace
15 Authorization and the rest do not      18 no match is 202      19 Triggers run side by side, without order
21 retried: no connection, timeout, 404, 408, 409, 429, 5xx; the rest fails at once
22 waits: exponential d·2^i, linear d·i, from i = 0     23 a Broker without delivery has the webhook's default
24 durations count to one decimal      25 a timeout per request
27 a Trigger's delivery replaces the Broker's whole but for the dead-letter sink
28 an empty 2xx is done      29 a 2xx with a body that is no event fails as 502
30 a 2xx with an event is a reply, taken in like any event      31 a refused reply fails the original
33 redirects fail
34 dead letters: same retries; knativeerrordest, -code, -data, but none after a timeout or 502
35 a dead-letter sink's reply is ignored
36 error bodies over 512 bytes are an ERROR: over 768 they crash a real dispatcher
37 filter.attributes: "" is any value, and always true for time
38 filters before filter; an object with an empty value is skipped      40 202 only when the event is on disk
"""
