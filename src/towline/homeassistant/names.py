"""Names made fit for discovery topics and unique ids. Pure.

Home Assistant takes `[a-zA-Z0-9_-]` in the ids of a discovery topic and ignores a message whose
topic has anything else, dots of container names included (homeassistant components/mqtt).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from towline.broker.topics import segment

_HOSTILE: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST: Final = 64
_DIGEST: Final = 6


def safe(name: str) -> str:
    """The name itself where it is fit, else its fit letters and a digest that keeps it apart."""
    if name and len(name) <= _LONGEST and not _HOSTILE.search(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    fit = _HOSTILE.sub("_", name).strip("_")[: _LONGEST - _DIGEST - 1]
    return f"{fit}-{digest}" if fit else f"x-{digest}"


def called(name: str, device: str, own: str) -> str:
    """What a container goes by here: one on another device has that before its name."""
    return name if device in ("", own) else f"{device}-{name}"


class Place:
    """Topics and ids of one device of Home Assistant: a container, or Towline itself (`name` "").

    They are made of host and name, so that a container that was made anew keeps its history.
    """

    def __init__(self, prefix: str, device: str, name: str = "") -> None:
        node = safe(device)
        self.node = f"towline_{node}"
        self.object_id = safe(name) if name else "towline"
        self.identifier = f"{self.node}_c_{self.object_id}" if name else self.node
        kind = f"c_{self.object_id}" if name else self.object_id
        self.discovery = f"{prefix}/device/{self.node}/{kind}/config"
        own = f"towline/{segment(device)}"
        self.base = f"{own}/containers/{self.object_id}" if name else f"{own}/homeassistant"

    @property
    def state(self) -> str:
        """Where its state stands, retained: a JSON object."""
        return f"{self.base}/state"

    @property
    def availability(self) -> str:
        """Whether anything is known of it, retained."""
        return f"{self.base}/availability"

    @property
    def containers_command(self) -> str:
        """The filter for what all containers of this Towline are told to do."""
        return f"{self.base.rpartition('/')[0]}/containers/+/command"

    @property
    def command(self) -> str:
        """Where it is told to do something."""
        return f"{self.base}/command"

    def event(self, key: str) -> str:
        """Where its events pass by."""
        return f"{self.base}/{key}"

    def attributes(self, key: str) -> str:
        """Where the attributes of one of its entities stand, retained."""
        return f"{self.base}/{key}"

    @property
    def kept(self) -> tuple[str, ...]:
        """Everything that stands retained of it, besides its discovery."""
        keys = ("last_error", "problem")
        return self.state, self.availability, *(self.attributes(key) for key in keys)

    def unique_id(self, key: str) -> str:
        """The id of one of its entities, for ever."""
        return f"{self.identifier}_{key}"
