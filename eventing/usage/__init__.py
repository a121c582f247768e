"""Usage data as it comes over the wire: read, checked to the letter, and turned into whole units."""

from eventing.usage.event_data import decode
from eventing.usage.http_body import HttpUsage, PartContent, http_identity, split_http_body

__all__ = ["HttpUsage", "PartContent", "decode", "http_identity", "split_http_body"]
