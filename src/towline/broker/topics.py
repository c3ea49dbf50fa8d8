"""Topics: a template is compiled once, its topics are made once per origin.

Names come from containers and are hostile: whatever MQTT or a broker would refuse in a topic
(OASIS MQTT 5 sections 1.5.4 and 4.7; mosquitto util_topic.c and utf8_mosq.c) becomes `_`.
Two names that differ only in such characters share a topic; the records still tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from towline.record import LEVELS, Origin, OriginType

BATCH_SUFFIX: Final = "/batch"
LONGEST: Final = 65_535
UNKNOWN: Final = "unknown"

_HOSTILE = re.compile(
    "[+#/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

VALUES: Final[Mapping[str, Callable[[Origin], str | None]]] = {
    "device": lambda origin: origin.device,
    "app": lambda origin: origin.app or origin.project,
    "project": lambda origin: origin.project,
    "service": lambda origin: origin.service or origin.container or origin.name,
    "container": lambda origin: origin.container or origin.name,
    "source": lambda origin: origin.source,
    "host": lambda origin: origin.device,
}
"""What placeholders say of an origin, in topics and wherever else they are written."""

PLACEHOLDERS: Final = (*VALUES, "level", "stream")

# What names the writer of a record; without a container these segments become one word.
_IDENTITY: Final = frozenset({"app", "project", "service", "container"})
_WORDS: Final[Mapping[OriginType, str]] = {
    OriginType.SYSTEM: "system",
    OriginType.MANAGER: "manager",
    OriginType.HOST: "other",
    OriginType.DEVICE: "other",
}

Topics = tuple[Mapping[str, str], Mapping[str, str]]
"""The topics of one origin by level: of stdout, and of stderr."""


def segment(text: str | None) -> str:
    """A name made fit to be one segment of a topic."""
    return _HOSTILE.sub("_", text or "") or UNKNOWN


def fit(topic: str) -> str:
    """The topic cut to what MQTT can carry, with room for the suffix of a batch."""
    if topic.startswith("$"):
        topic = "_" + topic[1:]
    room = LONGEST - len(BATCH_SUFFIX)
    if len(topic) * 4 <= room:
        return topic
    return topic.encode()[:room].decode(errors="ignore")


class Template:
    """A compiled topic template; `ValueError` for a placeholder that is none."""

    def __init__(self, text: str) -> None:
        if unknown := set(_PLACEHOLDER.findall(text)).difference(PLACEHOLDERS):
            raise ValueError(f"unknown placeholder in a topic template: {', '.join(unknown)}")
        self.text = text
        self._streamed = "{stream}" in text
        self._wordless = {word: _collapse(text, word) for word in _WORDS.values()}

    def of(self, origin: Origin) -> Topics:
        """The topics of an origin's records."""
        word = _WORDS.get(origin.type)
        text = self._wordless[word] if word else self.text
        stdout = _by_level(text, origin, "stdout")
        return stdout, _by_level(text, origin, "stderr") if self._streamed else stdout


def _by_level(text: str, origin: Origin, stream: str) -> Mapping[str, str]:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name == "level":
            return found[0]
        return stream if name == "stream" else segment(VALUES[name](origin))

    # A level is put in last, at its own places: a container named "{level}" is just a name.
    parts = [_PLACEHOLDER.sub(value, part) for part in text.split("{level}")]
    return {level: fit(level.join(parts)) for level in LEVELS}


def _collapse(text: str, word: str) -> str:
    """The template for a writer without a container: `{app}/{service}` becomes one word."""
    segments: list[str] = []
    collapsed = False
    for part in text.split("/"):
        names = set(_PLACEHOLDER.findall(part))
        identity = bool(names & _IDENTITY) and not names - _IDENTITY
        if identity and collapsed:
            continue
        collapsed = identity
        segments.append(word if identity else part)
    return "/".join(segments)


def device_topic(device: str, rest: str) -> str:
    """A topic of the device itself, not of its records."""
    return fit(f"towline/{segment(device)}/{rest}")


def status_topic(device: str) -> str:
    """Where a device says `online` or `offline`, retained."""
    return device_topic(device, "status")
