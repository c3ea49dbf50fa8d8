"""What no single value can tell: names that are used but not defined, things held twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import voluptuous as vol

from towline.config import requests
from towline.config.faults import Fault, shown
from towline.config.kinds import Kinds
from towline.config.places import UNREAD
from towline.config.settings import Match, Route

Claim = tuple[str, tuple[str, ...], frozenset[str]]
"""Who needs something alone, where that is written, and what it is."""

_EVERYTHING: Final = Match()
_PORT = re.compile(r"port (?:(.*):)?(\d+)")
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})


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
        *_tests(data),
        *_state(data),
        *_actions(data),
        *_subscriptions(data),
        *requests.faults(data, _names(data, "brokers")),
        *_homeassistant(data),
        *_unreachable(sound.get("routes", ())),
        *(
            fault
            for section, name, entry, kind in entries
            for need in sorted(kind.needs(entry.config))
            for fault in _need(data, section, name, need)
        ),
        *_claims(
            [
                *_own_claims(sound),
                *((f"{s}.{n}", (s, n), kind.claims(entry.config)) for s, n, entry, kind in entries),
            ]
        ),
    ]


def _names(data: Mapping[str, Any], section: str) -> list[str] | None:
    """The names in a section; None where it could not be read."""
    held = data.get(section)
    if held is UNREAD:
        return None
    return list(held) if isinstance(held, dict) else []


def _routes(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """Backends that routes name and nobody defines."""
    known = _names(data, "backends")
    routes = data.get("routes")
    for number, route in enumerate(routes if isinstance(routes, list) else ()):
        wanted = route.get("to") if isinstance(route, dict) else None
        yield from _targets(wanted, known, ("routes", number, "to"))


def _tests(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """Backends and alerts that cases expect something of and nobody defines."""
    known, alerts = _names(data, "backends"), _names(data, "alerts")
    cases = data.get("tests")
    for number, case in enumerate(cases if isinstance(cases, list) else ()):
        wanted = case.get("expect") if isinstance(case, dict) else None
        if isinstance(wanted, dict):
            for key in ("to", "not_to"):
                yield from _targets(wanted.get(key), known, ("tests", number, "expect", key))
            path = ("tests", number, "expect", "alerts")
            yield from _targets(wanted.get("alerts"), alerts, path, "alert")


def _actions(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """Brokers and backends that actions name and nobody defines."""
    named = {"publish": "broker", "replay": "backend"}
    for section in ("alerts", "subscriptions"):
        for name, owner in _items(data.get(section)):
            for number, action in _items(owner.get("actions") if isinstance(owner, dict) else None):
                for kind, what in named.items():
                    held = action.get(kind) if isinstance(action, dict) else None
                    if isinstance(held, dict):
                        path = (section, name, "actions", number, kind, what)
                        known = _names(data, f"{what}s")
                        yield from _unknown(held.get(what), what, known, path)


def _subscriptions(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """Brokers that subscriptions name and nobody defines."""
    known = _names(data, "brokers")
    for name, own in _items(data.get("subscriptions")):
        if isinstance(own, dict):
            yield from _unknown(
                own.get("broker"), "broker", known, ("subscriptions", name, "broker")
            )


def _homeassistant(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """Discovery without a broker, or over one that nobody defines."""
    own, known = data.get("homeassistant"), _names(data, "brokers")
    if not isinstance(own, dict) or known is None:
        return
    if own.get("broker"):
        yield from _unknown(own["broker"], "broker", known, ("homeassistant", "broker"))
    elif own.get("discovery") is True and not known:
        path = ["homeassistant", "discovery"]
        yield Fault("unknown_name", "discovery needs a broker, and there is none", path=path)


def _items(held: object) -> Iterable[tuple[Any, Any]]:
    """Keys or places and what stands there, of whatever was written."""
    if isinstance(held, dict):
        return held.items()
    return enumerate(held if isinstance(held, list) else ())


def _state(data: Mapping[str, Any]) -> Iterator[vol.Invalid]:
    """A broker that is told the state and that nobody defines."""
    state = data.get("state")
    if isinstance(state, dict) and state.get("broker") is not None:
        yield from _unknown(state["broker"], "broker", _names(data, "brokers"), ("state", "broker"))


def _targets(
    wanted: object,
    known: list[str] | None,
    path: tuple[str | int, ...],
    what: str = "backend",
) -> Iterator[vol.Invalid]:
    """Of one name or a list of them, those that nobody defines."""
    if isinstance(wanted, str):
        yield from _unknown(wanted, what, known, path)
    for place, word in enumerate(wanted if isinstance(wanted, list) else ()):
        yield from _unknown(word, what, known, (*path, place))


def _need(data: Mapping[str, Any], section: str, name: str, need: str) -> Iterator[vol.Invalid]:
    """A component that leans on one that nobody defines; the place is the key that names it."""
    kind, _, word = need.partition(".")
    written = data[section][name]
    keys = [key for key, value in written.items() if value == word and key != "type"]
    yield from _unknown(
        word, kind.removesuffix("s"), _names(data, kind), (section, name, *keys[:1])
    )


def _unknown(
    word: object, what: str, known: list[str] | None, path: tuple[str | int, ...]
) -> Iterator[vol.Invalid]:
    if known is not None and isinstance(word, str) and word not in known:
        text = f"the {what} {shown(word)} is not defined"
        hint = "" if known else f"no {what} is defined"
        yield Fault(f"unknown_{what}", text, path=path, hint=hint, word=word, known=known)


def _unreachable(routes: Sequence[Route]) -> Iterator[vol.Invalid]:
    """Routes that no record can come to, because an earlier one keeps all that they match."""
    kept: dict[Match, int] = {}
    for number, route in enumerate(routes, 1):
        everything = kept.get(_EVERYTHING)
        keeper = everything or kept.get(route.match)
        if keeper:
            which = "everything" if everything else "the same"
            text = f"no record comes here: route {keeper} is final and matches {which}"
            path = ("routes", number - 1)
            yield Fault("unreachable_route", text, path=path, hint="put it above that one")
        elif route.final:
            kept[_EVERYTHING if is_everything(route.match) else route.match] = number


def is_everything(match: Match) -> bool:
    """Whether a match holds for every record."""
    return match == _EVERYTHING or match == replace(_EVERYTHING, name=("*",))


def _own_claims(sound: Mapping[str, Any]) -> Iterator[Claim]:
    """What the API and the brokers hold alone. Of two clients with one id a broker drops one."""
    if "api" in sound:
        api = sound["api"]
        yield "api", ("api", "listen"), frozenset({f"port {api.host}:{api.port}"})
    device = sound["device"].id if "device" in sound else ""
    for name, broker in sound.get("brokers", {}).items():
        client = broker.client_id.replace("{device}", device)
        claims = frozenset(f"the client id {client!r} at {server}" for server in broker.servers)
        yield f"brokers.{name}", ("brokers", name, "client_id"), claims


def _claims(parts: Iterable[Claim]) -> Iterator[vol.Invalid]:
    """Two parts that must each hold the same thing alone; the second one is at fault."""
    holders: dict[str, list[tuple[str, str]]] = {}
    for name, path, claims in parts:
        for claim in sorted(claims):
            port = _PORT.fullmatch(claim)
            if port and port[2] == "0":
                continue
            thing, host = (f"port {port[2]}", port[1] or "") if port else (claim, "")
            held = holders.setdefault(thing, [])
            holder = next((who for who, at in held if _same_host(at, host) and who != name), None)
            if holder is not None:
                text = f"{name} and {holder} both need {claim} for themselves"
                yield Fault("held_twice", text, path=path, at_key=True)
                break
            held.append((name, host))


def _same_host(one: str, other: str) -> bool:
    """Whether two addresses to listen on overlap; each overlaps with the one for all."""
    return one == other or bool({one, other} & _EVERY_ADDRESS)
