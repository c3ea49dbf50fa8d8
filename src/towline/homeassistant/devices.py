"""Which devices there should be, which were announced, and what has to be said about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from towline.homeassistant.entities import orphans
from towline.homeassistant.memory import Announced, Memory
from towline.homeassistant.names import Place

GONE: Final = 60.0
"""Seconds after which a container that its source does not know is gone for good.

Compose removes a container and makes it anew: within that time it is still the same device.
"""

FORGET: Final = 7 * 86_400.0
"""Seconds for which a device stays whose source knows no containers but those that speak."""

Keep = Callable[[str, bytes], None]
Message = Mapping[str, Any]


class Devices:
    """Announces devices and takes them back. `keep` puts a retained payload at a topic."""

    def __init__(self, memory: Memory, keep: Keep) -> None:
        self._memory = memory
        self._keep = keep
        self._sent: dict[str, tuple[Message, bytes]] = {}
        self._missing: dict[str, float] = {}
        self.announced_at: dict[str, float] = {}

    def want(self, place: Place, message: Message, *, name: str, source: str, now: float) -> bool:
        """There should be this device; False while the user wants it deleted."""
        topic = place.discovery
        self._missing.pop(topic, None)
        known = self._memory.get(topic)
        if known is not None and known.deleted:
            known.seen = now
            return False
        sent = self._sent.get(topic)
        if sent is not None and sent[0] == message:
            return True
        platforms = {key: str(one["p"]) for key, one in message["cmps"].items()}
        before = {"cmps": {key: {"p": p} for key, p in known.platforms.items()}} if known else {}
        gone = orphans(before, message)
        payload = json.dumps({**message, "cmps": {**message["cmps"], **gone}}, ensure_ascii=False)
        self._sent[topic] = message, payload.encode()
        self._memory.put(topic, Announced(name, source, now, platforms))
        self._keep(topic, payload.encode())
        self.announced_at.setdefault(topic, now)
        return True

    def miss(self, topic: str, source_kind: str, now: float) -> bool:
        """A device is not wanted now; True once it was taken back for good.

        `source_kind` is empty while its source is not well: then nothing is known.
        """
        known = self._memory.get(topic)
        if known is None or not source_kind:
            self._missing.pop(topic, None)
            return False
        if source_kind == "journald":
            return now - known.seen > FORGET and self.take_back(topic)
        since = self._missing.setdefault(topic, now)
        return now - since >= GONE and self.take_back(topic)

    def take_back(self, topic: str) -> bool:
        """Remove a device with all its entities."""
        self._keep(topic, b"")
        self._memory.drop(topic)
        self._sent.pop(topic, None)
        self._missing.pop(topic, None)
        self.announced_at.pop(topic, None)
        return True

    def heard(self, topic: str, payload: bytes) -> str:
        """Somebody published at a discovery topic; the name of the device that the user deleted."""
        known = self._memory.get(topic)
        if payload or known is None or known.deleted or topic not in self._sent:
            return ""
        known.deleted = True
        del self._sent[topic]
        return known.name

    def show_again(self) -> int:
        """Forget what the user deleted; how many devices come back."""
        deleted = [known for _, known in self._memory if known.deleted]
        for known in deleted:
            known.deleted = False
        return len(deleted)

    def all(self) -> list[tuple[str, bytes]]:
        """Every announcement in force, for a Home Assistant that has just come up."""
        return [(topic, payload) for topic, (_, payload) in self._sent.items()]
