"""A message to a broker."""

from __future__ import annotations

from towline.actions.body import Filled
from towline.actions.occasion import Occasion
from towline.actions.ports import Around, Publisher
from towline.actions.template import Template, in_topic
from towline.broker.topics import fit
from towline.config.actions import Publish
from towline.errors import Retryable


class PublishAction:
    """Publishes over whatever connection the broker has at that moment."""

    def __init__(self, settings: Publish, around: Around) -> None:
        self._settings = settings
        self._around = around
        self._topic = Template(settings.topic, in_topic)
        self._payload = Filled(settings.payload)

    async def perform(self, occasion: Occasion) -> None:
        """Return when the broker has taken it."""
        settings = self._settings
        topic, payload = fit(self._topic.fill(occasion.words)), self._payload.of(occasion)
        publisher = connection(self._around, settings.broker)
        await publisher.publish(topic, payload, qos=settings.qos, retain=settings.retain)


def connection(around: Around, broker: str) -> Publisher:
    """The connection to a broker, or `Retryable`: it is looked up each time, for it may change."""
    found = around.broker(broker)
    if found is None:
        raise Retryable(f"broker {broker} is not running")
    return found
