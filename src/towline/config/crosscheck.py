"""What no single value can tell: names that are used but not defined, things held twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import voluptuous as vol

from towline.config.faults import Fault, shown
from towline.config.kinds import Kinds


def crosscheck(
    data: Mapping[str, Any], found: Mapping[str, Any] | None, sources: Kinds, backends: Kinds
) -> list[vol.Invalid]:
    """Faults between parts. `data` is as written, `found` holds the parts that are sound."""
    sound = found or {}
    entries = [
        (section, name, entry, kinds[entry.type])
        for section, kinds in (("sources", sources), ("backends", backends))
        for name, entry in sound.get(section, {}).items()
    ]
    return [
        *_routes(data),
        *(
            fault
            for section, name, entry, kind in entries
            for need in sorted(kind.needs(entry.config))
            for fault in _need(data, section, name, need)
        ),
        *_claims((f"{s}.{n}", (s, n), kind.claims(entry.config)) for s, n, entry, kind in entries),
    ]


def _names(data: Mapping[str, Any], section: str) -> list[str]:
    held = data.get(section)
    return list(held) if isinstance(held, dict) else []


def _routes(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """Backends that routes name and nobody defines."""
    known = _names(data, "backends")
    routes = data.get("routes")
    for number, route in enumerate(routes if isinstance(routes, list) else ()):
        wanted = route.get("to") if isinstance(route, dict) else None
        if isinstance(wanted, str):
            yield from _unknown(wanted, "backend", known, ("routes", number, "to"))
        for place, word in enumerate(wanted if isinstance(wanted, list) else ()):
            yield from _unknown(word, "backend", known, ("routes", number, "to", place))


def _need(data: Mapping[str, Any], section: str, name: str, need: str) -> Iterator[vol.Invalid]:
    """A component that leans on one that nobody defines; the place is the key that names it."""
    kind, _, word = need.partition(".")
    written = data[section][name]
    keys = [key for key, value in written.items() if value == word and key != "type"]
    yield from _unknown(
        word, kind.removesuffix("s"), _names(data, kind), (section, name, *keys[:1])
    )


def _unknown(
    word: object, what: str, known: list[str], path: tuple[str | int, ...]
) -> Iterator[vol.Invalid]:
    if isinstance(word, str) and word not in known:
        text = f"the {what} {shown(word)} is not defined"
        hint = "" if known else f"no {what} is defined"
        yield Fault(f"unknown_{what}", text, path=path, hint=hint, word=word, known=known)


def _claims(
    parts: Iterator[tuple[str, tuple[str, str], frozenset[str]]],
) -> Iterator[vol.Invalid]:
    """Two parts that must each hold the same thing alone; the second one is at fault."""
    holders: dict[str, str] = {}
    for name, path, claims in parts:
        for claim in sorted(claims):
            holder = holders.setdefault(claim, name)
            if holder != name:
                text = f"{name} and {holder} both need {claim} for themselves"
                yield Fault("held_twice", text, path=path, at_key=True)
