"""A Knative Broker for development: one process on Redis Streams, with the contract that functions meet.

Not a production broker: one node, no users, TLS or topics. What it imitates is numbered from 1 to 40 in
tests/conformance, in this code and in its log, so that the same can be asked of a real Broker; what it leaves
out or takes more strictly is listed there too.
"""
