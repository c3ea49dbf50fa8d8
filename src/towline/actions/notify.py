"""A word to Home Assistant."""

from __future__ import annotations

from towline.actions.occasion import Occasion
from towline.actions.ports import Around
from towline.actions.publish import connection
from towline.broker.topics import fit, segment


class NotifyAction:
    """Tells the notifier there is; without one, the record that was written has to do."""

    def __init__(self, around: Around) -> None:
        self._notifier = around.notifier

    async def perform(self, occasion: Occasion) -> None:
        """Tell it."""
        if self._notifier is not None:
            await self._notifier.notify(occasion)


class BrokerNotifier:
    """A notifier that publishes the occasion, not retained, where automations can listen."""

    def __init__(self, broker: str, around: Around) -> None:
        self._broker = broker
        self._around = around

    async def notify(self, occasion: Occasion) -> None:
        """Publish to `towline/{device}/alerts/{name}`."""
        topic = fit(f"towline/{segment(occasion.device)}/alerts/{segment(occasion.name)}")
        publisher = connection(self._around, self._broker)
        await publisher.publish(topic, occasion.json, qos=1, retain=False)
