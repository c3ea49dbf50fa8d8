"""What the environment and the command line say, laid under and over what a file says.

Nothing is checked here: the schema checks it like the file. `names` tells where a value came
from, so that a problem names the variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from towline.config.places import Path
from towline.config.schema import DEFAULT_SOURCES

_BAD_IN_ID = re.compile(r"[^A-Za-z0-9_.-]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
_PRIVATE: Final = frozenset({"MQTT_PASSWORD"})


@dataclass(frozen=True, slots=True)
class Said:
    """What a value comes from: a variable or an option, and its text where that may be shown."""

    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What stands above the file: `--data` or TOWLINE_DATA, `--listen` or TOWLINE_LISTEN.

    An app of Home Assistant also gives keys of `git`, and what `sources` are without any.
    """

    data: str | None = None
    listen: str | None = None
    git: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_SOURCES)


Names = dict[Path, Said]


def complete(
    written: Mapping[str, Any],
    environment: Mapping[str, str],
    overrides: Overrides,
    host_name: str,
) -> tuple[dict[str, Any], Names]:
    """A file's data with what the environment adds, and where each addition came from."""
    layers = _Layers(dict(written), {name: text for name, text in environment.items() if text})
    layers.docker(overrides.sources)
    layers.broker()
    layers.backend()
    layers.under(("store", "path"), "LOG_DIR")
    if overrides.data:
        layers.over(("store", "path"), overrides.data, Said("--data", f"--data {overrides.data}"))
    if overrides.listen:
        layers.over(
            ("api", "listen"), overrides.listen, Said("--listen", f"--listen {overrides.listen}")
        )
    for key, value in overrides.git.items():
        layers.over(("git", key), value, Said(f"git_{key}", f"the app's option git_{key}"))
    layers.device(host_name)
    return layers.data, layers.names


class _Layers:
    """One file's data while it is completed. A part that is not a mapping is left to the schema."""

    def __init__(self, data: dict[str, Any], environment: Mapping[str, str]) -> None:
        self.data = data
        self.names: Names = {}
        self._environment = environment

    def _inside(self, key: str) -> dict[str, Any] | None:
        """A section of the file, ours to change; None when the file has something else there."""
        held = self.data.get(key)
        if held is None or isinstance(held, dict):
            section = dict(held or {})
            self.data[key] = section
            return section
        return None

    def over(self, path: tuple[str, str], value: Any, said: Said) -> None:
        """Set a value whatever the file says."""
        section = self._inside(path[0])
        if section is not None:
            section[path[1]] = value
            self.names[path] = said

    def under(self, path: tuple[str, str], variable: str) -> None:
        """Set a value from a variable where the file has none."""
        section = self._inside(path[0])
        text = self._environment.get(variable)
        if text and section is not None and section.get(path[1]) is None:
            self.over(path, text, self._said(variable))

    def device(self, host_name: str) -> None:
        """The host's name is the device's id where the file gives none."""
        fit = _BAD_IN_ID.sub("-", host_name).strip("-._")[:64] or "towline"
        section = self._inside("device")
        if section is not None and section.get("id") is None:
            section["id"] = fit

    def docker(self, usual: Mapping[str, Any]) -> None:
        """Without sources there are the usual ones; without an address DOCKER_HOST counts."""
        if self.data.get("sources") is None:
            self.data["sources"] = usual
        sources = self._inside("sources")
        source = sources.get("docker") if sources else None
        url = self._environment.get("DOCKER_HOST")
        if not (url and sources and isinstance(source, dict) and source.get("type") == "docker"):
            return
        if source.get("url") is None:
            sources["docker"] = source | {"url": url}
            self.names[("sources", "docker", "url")] = self._said("DOCKER_HOST")

    def broker(self) -> None:
        """MQTT_BROKER is the broker `default`."""
        servers = self._environment.get("MQTT_BROKER")
        brokers = self._inside("brokers")
        if not servers or brokers is None or "default" in brokers:
            return
        here: Path = ("brokers", "default")
        broker: dict[str, Any] = {"servers": [_server(item) for item in servers.split(",")]}
        self.names[here] = self._said("MQTT_BROKER")
        for key, variable in (("username", "MQTT_USERNAME"), ("password", "MQTT_PASSWORD")):
            if text := self._environment.get(variable):
                broker[key] = text
                self.names[(*here, key)] = self._said(variable)
        brokers["default"] = broker

    def backend(self) -> None:
        """MQTT_BROKER brings the backend `mqtt`."""
        backends = self._inside("backends")
        if "MQTT_BROKER" not in self._environment or backends is None or "mqtt" in backends:
            return
        here: Path = ("backends", "mqtt")
        backend: dict[str, Any] = {"type": "mqtt", "broker": "default"}
        self.names[here] = self._said("MQTT_BROKER")
        if topic := self._environment.get("MQTT_TOPIC"):
            backend["topic"] = _topic(topic)
            self.names[(*here, "topic")] = self._said("MQTT_TOPIC")
        backend |= self._batch(here)
        backends["mqtt"] = backend

    def _batch(self, here: Path) -> dict[str, Any]:
        """MQTT_BATCH: true, false, or how many records; MQTT_BATCH_INTERVAL: how long at most."""
        wanted = self._environment.get("MQTT_BATCH", "")
        interval = self._environment.get("MQTT_BATCH_INTERVAL")
        if wanted.lower() == "false" or not (wanted or interval):
            return {}
        batch: dict[str, Any] = {}
        if wanted:
            self.names[(*here, "batch")] = self._said("MQTT_BATCH")
        if wanted and wanted.lower() != "true":
            batch["max_records"] = int(wanted) if _DIGITS.fullmatch(wanted) else wanted
        if interval:
            self.names[(*here, "batch", "max_age")] = self._said("MQTT_BATCH_INTERVAL")
            batch["max_age"] = f"{interval}s" if _DECIMAL.fullmatch(interval) else interval
        return {"batch": batch}

    def _said(self, variable: str) -> Said:
        shown = "***" if variable in _PRIVATE else self._environment[variable]
        return Said(variable, f"{variable}={shown}")


def _server(text: str) -> str:
    found = text.strip()
    return found if _SCHEME.match(found) else f"mqtt://{found}"


def _topic(text: str) -> str:
    """A template, or a base beneath which app, service and level are told apart."""
    return text if "{" in text else f"{text.rstrip('/')}/{{app}}/{{service}}/{{level}}"
