"""How patient an action is: two keys that every action has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import voluptuous as vol

from towline.config.faults import expected
from towline.config.fields import duration
from towline.config.shapes import shaped, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that one try may take, and for how long it is tried again (0: not at all)."""

    timeout: float
    retry: float


@shaped(words(r"off|\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def off_or_duration(value: Any) -> float:
    """A length of time as seconds; `off` is none."""
    return 0.0 if value == "off" else duration(value)


@shaped(words(r"\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def _timeout(value: Any) -> float:
    seconds = duration(value)
    if seconds > 300:
        raise expected("a duration of at most 5m", value)
    return seconds


def patience_keys(*, timeout: str = "10s", retry: str = "1h") -> dict[Any, Any]:
    """The keys of a mapping that say how patient it is, with these defaults."""
    return {
        vol.Optional("timeout", default=timeout): _timeout,
        vol.Optional("retry", default=retry): off_or_duration,
    }


def patient(made: Callable[..., Any], **missing: Any) -> Callable[..., Any]:
    """Puts the two keys together; `missing` stands for keys that were not written."""

    def make(*, timeout: float, retry: float, **keys: Any) -> Any:
        return made(**{**missing, **keys}, patience=Patience(timeout=timeout, retry=retry))

    return make
