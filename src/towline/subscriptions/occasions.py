"""From a message to the occasion that its actions are told of."""

from __future__ import annotations

from typing import Final

import msgspec

from towline.actions.occasion import Occasion
from towline.broker.incoming import Incoming
from towline.record import time_text
from towline.subscriptions.payload import LONGEST, NOTHING, Payload

_SHOWN: Final = 200


def occasion(name: str, device: str, message: Incoming, payload: Payload, now_ns: int) -> Occasion:
    """Words and JSON of a message; a payload that is JSON stands in there as such."""
    about = {"subscription": name, "device": device, "topic": message.topic}
    about["time"] = time_text(now_ns)
    words = payload.words() | about | {"payload": payload.text[:LONGEST]}
    words["message"] = f"subscription {name}: {message.topic}: {payload.text[:_SHOWN]}"
    held = payload.text if payload.document is NOTHING else payload.document
    return Occasion(
        about=f"subscriptions.{name}",
        name=name,
        device=device,
        words=words,
        json=msgspec.json.encode(about | {"payload": held}),
    )
