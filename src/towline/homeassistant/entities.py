"""Devices and entities as discovery describes them, from what is known. Pure.

One message per device (homeassistant components/mqtt/discovery.py): `dev` who it is, `o` who says
so, `cmps` its entities. Keys of components differ by platform, for one that changes its platform
would stay behind as an orphan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from towline.homeassistant.names import Place, safe
from towline.homeassistant.words import Words
from towline.record import LEVELS as RECORD_LEVELS

Component = dict[str, Any]
Facts = Mapping[str, Any]

STATES: Final = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS: Final = ("healthy", "unhealthy", "starting", "none")
INCIDENTS: Final = ("die", "oom", "unhealthy")
CONTROLS: Final = ("start", "stop", "restart")
LEVELS: Final = ("debug", "info", "warning", "error")
DIAGNOSTIC: Final = "diagnostic"
ICONS: Final[Mapping[str, str]] = {
    "state": "mdi:state-machine",
    "health": "mdi:heart-pulse",
    "exit_code": "mdi:exit-run",
    "restarts": "mdi:restart-alert",
    "image": "mdi:package-variant-closed",
    "cpu": "mdi:cpu-64-bit",
    "lines_per_minute": "mdi:text-long",
    "errors_per_minute": "mdi:alert-circle-outline",
    "lines_total": "mdi:text-long",
    "errors_total": "mdi:alert-circle-outline",
    "last_error": "mdi:message-alert-outline",
    "log": "mdi:text-box-outline",
    "incident": "mdi:alert-octagon-outline",
    "start": "mdi:play",
    "stop": "mdi:stop",
    "commit": "mdi:source-commit",
    "reload": "mdi:reload",
    "show_again": "mdi:eye-plus-outline",
    "log_level": "mdi:tune",
    "lost": "mdi:text-box-remove-outline",
    "lag": "mdi:tray-full",
    "sent": "mdi:send-outline",
    "missed": "mdi:tray-remove",
}
"""Of entities whose class has no picture of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describer:
    """Makes the messages of one Towline. `status` is the topic of its last will."""

    words: Words
    version: str
    status: str
    host: Place
    host_name: str

    def container(
        self, place: Place, facts: Facts, *, controls: bool, alerts: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The device of a container. What is not known of it has no entity."""
        made = _Entities(self.words, place)
        if facts.get("state") is not None:
            _state_of(made, facts)
        _log_of(made, alerts)
        if controls:
            for what in CONTROLS:
                more = {"dev_cla": "restart"} if what == "restart" else {}
                made.add("button", what, cmd_t=place.command, pl_prs=what, **more)
        device = {
            "ids": [place.identifier],
            "name": facts.get("title") or facts["name"],
            "mdl": facts.get("image") or "container",
            "via_device": self.host.identifier,
        }
        if facts.get("version"):
            device["sw"] = facts["version"]
        topics = [{"t": self.status}, {"t": place.availability}]
        return self._message(device, made.found, {"avty": topics, "avty_mode": "all"}, place)

    def towline(
        self, facts: Facts, backends: Iterable[str], brokers: Iterable[str]
    ) -> dict[str, Any]:
        """The device of this Towline."""
        place = self.host
        made = _Entities(self.words, place)
        problem = {"dev_cla": "problem", "ent_cat": DIAGNOSTIC}
        text = place.attributes("problem")
        made.add("binary_sensor", "configuration", json_attr_t=text, **problem)
        if facts.get("commit") is not None:
            made.add("sensor", "commit", ent_cat=DIAGNOSTIC)
        made.add("sensor", "lost", unit="lines", stat_cla="measurement", ent_cat=DIAGNOSTIC)
        made.add("sensor", "store_size", dev_cla="data_size", unit="B", ent_cat=DIAGNOSTIC)
        for name in backends:
            about: Component = {"named": name, "ent_cat": DIAGNOSTIC, "unit": "records"}
            made.add("sensor", "lag", stat_cla="measurement", **about)
            made.add("sensor", "sent", stat_cla="total_increasing", en=False, **about)
            made.add("sensor", "missed", stat_cla="total_increasing", **about)
        for name in brokers:
            made.add(
                "binary_sensor", "broker", named=name, dev_cla="connectivity", ent_cat=DIAGNOSTIC
            )
        made.add("button", "reload", cmd_t=place.command, pl_prs="reload", ent_cat="config")
        made.add("button", "show_again", cmd_t=place.command, pl_prs="show_again", ent_cat="config")
        made.add(
            "select",
            "log_level",
            cmd_t=place.event("log_level"),
            ops=list(LEVELS),
            ent_cat="config",
        )
        device = {"ids": [place.identifier], "name": self.host_name, "mf": "Towline"}
        device |= {"mdl": "Towline", "sw": self.version}
        return self._message(device, made.found, {"avty_t": self.status}, place)

    def _message(
        self, device: dict[str, Any], components: dict[str, Component], more: Any, place: Place
    ) -> dict[str, Any]:
        origin = {"name": "Towline", "sw": self.version}
        return {"dev": device, "o": origin, "stat_t": place.state, "cmps": components, **more}


class _Entities:
    """The entities of one device, by keys that name platform and entity."""

    def __init__(self, words: Words, place: Place) -> None:
        self.found: dict[str, Component] = {}
        self._words = words
        self.place = place

    def add(self, platform: str, key: str, *, named: str = "", unit: str = "", **more: Any) -> None:
        """One entity whose state is the member `key` of the device's state."""
        own = f"{key}_{safe(named)}" if named else key
        found: Component = {
            "p": platform,
            "uniq_id": self.place.unique_id(own),
            "name": self._words.entity(key, name=named),
        }
        if platform not in ("button", "event"):
            found["val_tpl"] = f"{{{{ value_json[{own!r}] }}}}"
        if key in ICONS:
            found["ic"] = ICONS[key]
        if unit:
            found["unit_of_meas"] = unit
        self.found[f"{platform}_{own}"] = found | more


def _state_of(made: _Entities, facts: Facts) -> None:
    """What the engine tells of a container."""
    made.add("binary_sensor", "running", dev_cla="running")
    made.add("binary_sensor", "problem", dev_cla="problem", ent_cat=DIAGNOSTIC)
    enum = {"dev_cla": "enum", "ent_cat": DIAGNOSTIC}
    made.add("sensor", "state", ops=list(STATES), **enum)
    if facts.get("health") not in (None, "none"):
        made.add("sensor", "health", ops=list(HEALTHS), **enum)
    made.add("sensor", "image", ent_cat=DIAGNOSTIC, en=False)
    if "updateAvailable" in facts:
        made.add("binary_sensor", "update_available", dev_cla="update", ent_cat=DIAGNOSTIC)
    if "exitCode" in facts:  # an engine tells, not Supervisor
        made.add("sensor", "exit_code", ent_cat=DIAGNOSTIC)
        made.add("sensor", "restarts", stat_cla="total_increasing", ent_cat=DIAGNOSTIC)
        made.add("sensor", "started_at", dev_cla="timestamp", ent_cat=DIAGNOSTIC)
        made.add("sensor", "cpu", unit="%", stat_cla="measurement", sug_dsp_prc=1, en=False)
        about: Component = {"dev_cla": "data_size", "stat_cla": "measurement", "en": False}
        made.add("sensor", "memory", unit="B", **about)


def _log_of(made: _Entities, alerts: Sequence[str]) -> None:
    """What its log tells: no other tool has these."""
    made.add("sensor", "lines_per_minute", unit="lines/min", stat_cla="measurement")
    made.add("sensor", "errors_per_minute", unit="lines/min", stat_cla="measurement")
    total: Component = {"unit": "lines", "stat_cla": "total_increasing", "en": False}
    made.add("sensor", "lines_total", **total)
    made.add("sensor", "errors_total", **total)
    made.add("sensor", "last_error", json_attr_t=made.place.attributes("last_error"))
    made.add("sensor", "silent_for", unit="s", dev_cla="duration", sug_dsp_prc=0)
    types = [*RECORD_LEVELS, *(name for name in alerts if name not in RECORD_LEVELS)]
    made.add("event", "log", stat_t=made.place.event("log"), evt_typ=types)
    made.add("event", "incident", stat_t=made.place.event("incident"), evt_typ=list(INCIDENTS))


def orphans(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Component]:
    """Entities that a device had and has no more, as they must be said to be gone."""
    gone = before.get("cmps", {}).keys() - after.get("cmps", {}).keys()
    return {key: {"p": before["cmps"][key]["p"]} for key in gone}
