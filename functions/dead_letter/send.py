"""An event of a dead letter → the sink, again."""

from collections.abc import Mapping

from eventing.event import build
from eventing.publisher import Publisher
from shared.service.triage import SendEvent


def sender(publisher: Publisher) -> SendEvent:
    """What is no event is refused here, before anything is sent."""

    def send(attributes: Mapping[str, str], data: bytes) -> None:
        publisher.publish(build(attributes, data))

    return send
