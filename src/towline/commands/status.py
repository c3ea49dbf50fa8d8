"""`towline status`: every component, how it is, since when, and why it is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from towline.client.remote import Remote
from towline.commands.rows import visible

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
Paint = Callable[[str, str], str]
"""Gives a text the look of a state."""


def ask(remote: Remote) -> dict[str, Any]:
    """The running Towline's status, with its backends and containers."""
    status = remote.get("status")
    status["backends"] = remote.get("backends")["backends"]
    status["containers"] = remote.get("containers")["containers"]
    return status


def is_well(status: Mapping[str, Any]) -> bool:
    """Whether every component is up."""
    return not _unwell(status)


def _unwell(status: Mapping[str, Any]) -> list[str]:
    return [key for key, found in status["components"].items() if found["state"] != "up"]


def report(status: Mapping[str, Any], now: float, paint: Paint) -> str:
    """The status as a table."""
    device = status["device"]
    name = device["id"] if device["name"] == device["id"] else f"{device['name']} ({device['id']})"
    rows = [("component", "state", "for", "")]
    for key, found in status["components"].items():
        told = [found["reason"] or "", *_facts(status, key, now), *_counters(found["counters"])]
        about = ", ".join(part for part in told if part)
        rows.append((key, found["state"], _span(now - found["since"] / 1000), about))
    lines = [f"Towline {status['version']} on {visible(str(name))}", ""]
    lines += _table(rows, paint)
    return "\n".join([*lines, "", _summary(status)])


def _summary(status: Mapping[str, Any]) -> str:
    unwell = _unwell(status)
    if not unwell:
        return "everything is up"
    return f"not up: {', '.join(unwell)}"


def _facts(status: Mapping[str, Any], key: str, now: float) -> list[str]:
    """What a component's health does not say by itself."""
    room, _, name = key.partition(".")
    if room == "backends":
        lag = [each["lag"] for each in status["backends"] if each["name"] == name]
        return [f"{lag[0]} records behind"] if lag and lag[0] else []
    if room == "sources":
        known = [each for each in status["containers"] if each["source"] == name]
        read = sum(1 for each in known if each["attached"])
        files = sum(1 for each in known if each.get("log", {}).get("read") == "files")
        how = f", {files} by files" if files else ""
        return [f"reads {read} of {len(known)} containers{how}"] if known else []
    if key == "configuration" and (warnings := len(status["components"][key].get("warnings", ()))):
        return ["1 warning" if warnings == 1 else f"{warnings} warnings"]
    if key == "git":
        git = status["components"][key]["git"]
        return [f"{git['state']}, {git['commit'][:10]} {git['subject']}"] if git["commit"] else []
    if room == "alerts":
        last = status["components"][key].get("lastFired")
        return [f"last fired {_span(now - last / 1000)} ago"] if last else []
    if key == "api":
        return [f"{status['viewers']['open']} viewers"] if status["viewers"]["open"] else []
    return []


def _counters(counters: Mapping[str, int]) -> Iterable[str]:
    return (f"{name} {count}" for name, count in sorted(counters.items()) if count)


def _table(rows: list[tuple[str, str, str, str]], paint: Paint) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for key, state, span, about in rows:
        shown = paint(f"{state:<{widths[1]}}", state)
        row = f"{key:<{widths[0]}}  {shown}  {span:>{widths[2]}}  {visible(about)}"
        yield row.rstrip()


def _span(seconds: float) -> str:
    """A duration in its largest unit."""
    whole = max(int(seconds), 0)
    for size, unit in _UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return "0 s"
