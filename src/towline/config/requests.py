"""What `requests:` says: whether this Towline can be asked over MQTT, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import KEEPERS, Into, Listing, Mapping
from towline.config.faults import Fault
from towline.config.fields import boolean, name, one_of, secret, whole
from towline.config.settings import Secret
from towline.config.shapes import TEXT, shaped, words

REQUESTS: Final = ("status", "query", "reload", "check", "replay", "level")
CHANGING: Final = frozenset({"reload", "replay", "level"})
_SHORTEST: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """`broker` empty: the first one. `secret` empty: requests are not signed.

    `rate`: how many a minute are answered; `allow`: which ones.
    """

    enabled: bool
    broker: str
    secret: Secret
    rate: int
    allow: tuple[str, ...]


@shaped(words(r"[A-Za-z0-9_-]{0,64}"))
def _broker(value: Any) -> str:
    return name(value) if value else ""


@shaped(TEXT)
def _secret(value: Any) -> Secret:
    found = secret(value)
    if found and len(found.reveal()) < _SHORTEST:
        raise Fault("wrong_length", f"expected at least {_SHORTEST} characters, made by chance")
    return found


KEEPERS.append(_secret)

SCHEMA: Final = Into(
    Mapping(
        {
            vol.Optional("enabled", default=False): boolean,
            vol.Optional("broker", default=""): _broker,
            vol.Optional("secret", default=""): _secret,
            vol.Optional("rate", default=30): whole(1, 6000),
            vol.Optional("allow", default=list(REQUESTS)): Listing(one_of(*REQUESTS), least=1),
        }
    ),
    Requests,
)
"""Checks the mapping below `requests:`; its defaults stand here and nowhere else."""


def faults(data: Map[str, Any], brokers: list[str] | None) -> Iterator[vol.Invalid]:
    """Requests over a broker that nobody defines."""
    own = data.get("requests")
    if not isinstance(own, dict) or brokers is None:
        return
    wanted = own.get("broker")
    if wanted and isinstance(wanted, str) and wanted not in brokers:
        text = f"the broker {wanted!r} is not defined"
        path = ["requests", "broker"]
        yield Fault("unknown_broker", text, path=path, word=wanted, known=brokers)
    elif not wanted and own.get("enabled") is True and not brokers:
        path = ["requests", "enabled"]
        yield Fault("unknown_name", "requests need a broker, and there is none", path=path)


def doubts(found: Map[str, Any]) -> Iterator[Fault]:
    """Requests that change something and that anybody at the broker may send."""
    own = found.get("requests")
    if own is not None and own.enabled and not own.secret and CHANGING & set(own.allow):
        text = "whoever may publish to the request topics may change something here"
        hint = "secret: !secret name, or fewer words in allow"
        path = ["requests"]
        yield Fault("unsigned", text, path=path, hint=hint, severity="warning")
