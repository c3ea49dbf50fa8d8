"""Docker's own words of a container, as lines of the system. Pure."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import Any, Final

from towline.record import Line, time_text

Attributes = Mapping[str, str]

_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "create": ("create", "info", "was created"),
    "start": ("start", "info", "started"),
    "restart": ("restart", "info", "was restarted"),
    "die": ("die", "error", "exited"),
    "oom": ("oom", "error", "ran out of memory"),
    "kill": ("kill", "info", "was sent a signal"),
    "pause": ("pause", "info", "was paused"),
    "unpause": ("unpause", "info", "goes on"),
    "rename": ("rename", "info", "was renamed"),
    "destroy": ("destroy", "info", "was removed"),
    "health_status: unhealthy": ("unhealthy", "error", "is unhealthy"),
    "health_status: healthy": ("healthy", "info", "is healthy"),
}
ACTIONS: Final = tuple(dict.fromkeys(action.partition(":")[0] for action in _WORDS))
"""What the engine is asked to tell of: all that is said to people."""

LATE: Final = "seen late, Docker's event was lost"
_ON_PURPOSE: Final = (0, 143)
"""Exit codes of a container that ended on purpose; 143 is SIGTERM's."""

_KILLED: Final = 128
"""What is added to the number of the signal that ended a program, as its exit code."""


def line_of(
    action: str,
    attributes: Attributes,
    ns: int,
    *,
    oom: bool = False,
    signalled: int = 0,
    late: bool = False,
) -> Line | None:
    """What an event says, at a time in nanoseconds; None for one that says nothing to people.

    `oom`: memory had run out when it ended; `signalled`: the last signal somebody had sent it.
    `late`: no event told it, the engine's list did.
    """
    if action not in _WORDS:
        return None
    event, level, said = _WORDS[action]
    fields: dict[str, Any] = {"event": event}
    if event == "die":
        level, said = _ended(attributes, fields, oom, signalled)
    elif event == "kill":
        said = _sent(attributes, fields)
    elif event == "rename" and "oldName" in attributes:
        fields["was"] = attributes["oldName"].lstrip("/")
        said = f"was renamed, it was {fields['was']}"
    if late:
        fields["late"] = True
        said = f"{said} ({LATE})"
    text = f"Container {attributes.get('name', '')} {said}"
    found = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return Line(text, time_text(ns), ns // 1_000_000, level=level, fields=found, system=True)


def _ended(
    attributes: Attributes, fields: dict[str, Any], oom: bool, signalled: int
) -> tuple[str, str]:
    """How severe an end is, and in words."""
    code = number(attributes.get("exitCode"))
    if code is None:
        return "error", "exited"
    fields["exitCode"] = code
    said = f"exited with code {code}"
    if oom:
        fields["oom"] = True
        return "error", f"{said} (out of memory)"
    if signalled and code == _KILLED + signalled:
        fields["signal"] = signalled
        return ("warn" if signalled == signal.SIGKILL else "info"), said
    return ("info" if code in _ON_PURPOSE else "error"), said


def _sent(attributes: Attributes, fields: dict[str, Any]) -> str:
    sent = number(attributes.get("signal"))
    if sent is None:
        return "was sent a signal"
    fields["signal"] = sent
    try:
        return f"was sent signal {sent} ({signal.Signals(sent).name})"
    except ValueError:
        return f"was sent signal {sent}"


def number(text: str | None) -> int | None:
    """A number of an event's attributes; None where there is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
