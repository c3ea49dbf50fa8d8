"""What is odd in a file that can be used: warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from towline.config import requests
from towline.config.crosscheck import is_everything
from towline.config.faults import Fault
from towline.config.kinds import Kinds
from towline.config.settings import Keep, Match, Route


def doubtful(
    found: Mapping[str, Any],
    sources: Kinds,
    backends: Kinds,
    disk_size: Callable[[Path], int | None],
) -> Iterator[Fault]:
    """Warnings about the sound parts of a file."""
    yield from _routes(found.get("routes", ()))
    yield from _alerts(found)
    yield from _subscriptions(found)
    yield from requests.doubts(found)
    for section, kinds in (("sources", sources), ("backends", backends)):
        for name, entry in found.get(section, {}).items():
            for fault in kinds[entry.type].doubts(entry.config):
                fault.prepend([section, name])
                yield fault
    if "store" in found:
        yield from _store(found["store"], disk_size)


def doubt(code: str, text: str, path: Sequence[str | int], *, hint: str = "") -> Fault:
    """A warning."""
    return Fault(code, text, path=path, hint=hint, severity="warning")


def topic_doubts(topic: str, *, retain: bool) -> Iterator[Fault]:
    """Templates that throw together what the reader can hardly tell apart again."""
    if retain and not any(word in topic for word in ("{service}", "{container}")):
        text = "the broker keeps one record for all containers: the last one"
        hint = "name {service} or {container} in the topic"
        yield doubt("shared_topic", text, ["retain"], hint=hint)
    elif "{" not in topic:
        text = "every record of every device goes to this one topic"
        yield doubt("shared_topic", text, ["topic"], hint="name {device} and {service} in it")


def _routes(routes: Sequence[Route]) -> Iterator[Fault]:
    """Routes that say again what an earlier one has said."""
    said: dict[tuple[Match, str], int] = {}
    for number, route in enumerate(routes, 1):
        earlier = [said.get((route.match, backend), 0) for backend in route.to]
        if all(earlier) and not route.final:
            text = f"this route adds nothing to route {max(earlier)}"
            yield doubt("repeated_route", text, ["routes", number - 1])
        for backend in route.to:
            said.setdefault((route.match, backend), number)


def _alerts(found: Mapping[str, Any]) -> Iterator[Fault]:
    """Alerts that do nothing, that fire all the time, or that cannot reach people."""
    for name, alert in found.get("alerts", {}).items():
        if not alert.actions:
            text = "nothing is done when this alert fires: it is only told in a record"
            yield doubt("no_actions", text, ["alerts", name], hint="name actions")
        if not alert.events and alert.match == Match() and alert.over.count == 1:
            text = "every line of every container fires this alert"
            yield doubt("fires_always", text, ["alerts", name], hint="name a match")
        for number, action in enumerate(alert.actions):
            if action.kind == "notify" and not found.get("brokers"):
                text = "Home Assistant is told by a broker, and none is defined"
                yield doubt("no_broker", text, ["alerts", name, "actions", number])
            if action.kind == "http" and not action.tls.verify:
                path = ["alerts", name, "actions", number, "http", "tls", "verify"]
                text = "whoever answers is trusted: the message can be read on the way"
                yield doubt("unverified", text, path, hint="name the authority with tls.ca")


def _subscriptions(found: Mapping[str, Any]) -> Iterator[Fault]:
    """Subscriptions that do nothing, may not do it, or hear themselves."""
    own, brokers = found.get("homeassistant"), found.get("brokers", {})
    for name, each in found.get("subscriptions", {}).items():
        if not each.actions:
            text = "nothing is done when a message comes: it is only counted"
            yield doubt("no_actions", text, ["subscriptions", name], hint="name actions")
        if each.shared_group and each.broker in brokers and brokers[each.broker].clean_session:
            text = "a member that dies loses what was on its way to it"
            path = ["subscriptions", name, "shared_group"]
            yield doubt("clean_session", text, path, hint="clean_session: false at the broker")
        for number, action in enumerate(each.actions):
            path = ["subscriptions", name, "actions", number]
            if action.kind == "container" and own is not None and not own.controls:
                text = "containers may not be controlled"
                hint = "homeassistant: {controls: true}"
                yield doubt("controls_off", text, path, hint=hint)
            if action.kind == "http" and not action.tls.verify:
                text = "whoever answers is trusted: the message can be read on the way"
                path += ["http", "tls", "verify"]
                yield doubt("unverified", text, path, hint="name the authority with tls.ca")


def _store(store: Mapping[str, Any], disk_size: Callable[[Path], int | None]) -> Iterator[Fault]:
    """A bound that the disk is reached before."""
    if not store["persist"]:
        return
    retention, held = store["retention"], disk_size(store["path"])
    for key in ("max_size", "min_free"):
        if held is not None and retention[key] > held:
            asked = f"{key} asks for {retention[key] / 1e9:.1f} GB"
            text = f"the disk holds {held / 1e9:.1f} GB in all; {asked}"
            yield doubt("disk_too_small", text, ["store", "retention", key])
            held = None
    yield from _rules(retention["rules"])


def _rules(rules: Sequence[Keep]) -> Iterator[Fault]:
    """Rules that decide nothing, because an earlier one decides for all that they match."""
    decided: dict[Match, int] = {}
    for number, rule in enumerate(rules, 1):
        everything = decided.get(Match())
        if earlier := everything or decided.get(rule.match):
            which = "everything" if everything else "the same"
            text = f"this rule decides nothing: rule {earlier} matches {which} and comes first"
            yield doubt("unreachable_rule", text, ["store", "retention", "rules", number - 1])
        else:
            decided[Match() if is_everything(rule.match) else rule.match] = number
