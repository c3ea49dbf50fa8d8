"""From what Docker says of a container to its origin. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from towline.record import Origin, OriginType

_KEEP_ALL: Final = ("journald", "none")
"""Drivers whose log is not cut; others keep files of limited size, if only as a cache of Docker."""

_APP_PREFIXES: Final = ("addon_", "app_")
_DIGITS: Final = 18
_SIZE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([kmgtp])?i?b?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container as inspected. `rotated`: its log is cut off at the far end when it grows.

    `capacity`: bytes at which its json file is begun anew in place, 0 where that never happens.
    `drops`: Docker drops its lines when it is busy (`mode=non-blocking`).
    """

    id: str
    name: str
    image: str
    created: str
    running: bool
    terminal: bool
    driver: str
    rotated: bool
    labels: Mapping[str, str]
    state: Mapping[str, Any]
    restarts: int = 0
    log_path: str = ""
    capacity: int = 0
    drops: bool = False

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Container:
        """From the answer of `GET /containers/{id}/json`."""
        config = found.get("Config") or {}
        log = (found.get("HostConfig") or {}).get("LogConfig") or {}
        state = found.get("State") or {}
        driver = log.get("Type") or ""
        options = log.get("Config") or {}
        return cls(
            id=found["Id"],
            name=(found.get("Name") or found["Id"][:12]).lstrip("/"),
            image=config.get("Image") or "",
            created=found.get("Created") or "",
            running=bool(state.get("Running")),
            terminal=bool(config.get("Tty")),
            driver=driver,
            rotated="max-size" in options if driver == "json-file" else driver not in _KEEP_ALL,
            labels=config.get("Labels") or {},
            drops=options.get("mode") == "non-blocking",
            state=state,
            restarts=found.get("RestartCount") or 0,
            log_path=found.get("LogPath") or "",
            capacity=_size(options.get("max-size")) if _keeps_one(options) else 0,
        )

    @classmethod
    def told(cls, id_: str, attributes: Mapping[str, str]) -> Container:
        """From what an event says of a container that is gone already: its name and labels."""
        return cls.parse(
            {
                "Id": id_,
                "Name": attributes.get("name"),
                "Config": {"Image": attributes.get("image"), "Labels": attributes},
            }
        )

    @property
    def status(self) -> str:
        """`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`."""
        return self.state.get("Status") or ""

    @property
    def health(self) -> str | None:
        """`starting`, `healthy` or `unhealthy`; None where nothing checks it."""
        found = (self.state.get("Health") or {}).get("Status")
        return found if found in ("starting", "healthy", "unhealthy") else None

    @property
    def exit_code(self) -> int | None:
        """With which code it ended; None where it has not."""
        code = self.state.get("ExitCode")
        return code if isinstance(code, int) and not self.running and self.finished_at else None

    @property
    def oom(self) -> bool:
        """Whether memory ran out in its last run."""
        return bool(self.state.get("OOMKilled"))

    @property
    def started_at(self) -> str:
        """When it was started last (RFC 3339), or an empty text."""
        return _moment(self.state.get("StartedAt"))

    @property
    def finished_at(self) -> str:
        """When it ended last (RFC 3339), or an empty text."""
        return _moment(self.state.get("FinishedAt"))

    def origin(self, *, device: str, engine: str, source: str) -> Origin:
        """Who writes this container's records: identity from labels where they tell, else its name.

        A Compose replica is named by its container, a Swarm task by service and slot, a Home
        Assistant app by its slug: none of these changes when the container is made anew.
        """
        labels = self.labels
        service = (
            labels.get("com.docker.swarm.service.name")
            or labels.get("com.docker.compose.service")
            or labels.get("io.balena.service-name")
            or labels.get("towline.service")
            or self.name
        )
        return Origin(
            type=OriginType.CONTAINER,
            name=_stable_name(self.name, labels),
            device=device,
            app=labels.get("towline.app") or labels.get("io.balena.app-id"),
            project=(
                labels.get("com.docker.compose.project")
                or labels.get("com.docker.stack.namespace")
                or labels.get("towline.project")
            ),
            service_id=_number(
                labels.get("towline.service-id") or labels.get("io.balena.service-id")
            ),
            service=service,
            container_id=self.id,
            container=self.name,
            image=self.image,
            engine=engine,
            source=source,
            labels=tuple(sorted(labels.items())),
        )


def _keeps_one(options: Mapping[str, str]) -> bool:
    """Whether no rotated file is kept: the one there is is cut (moby loggerutils/logfile.go)."""
    return options.get("max-file", "1") in ("", "0", "1")


def _size(text: str | None) -> int:
    """Docker's `10m` as bytes, by thousands (go-units `FromHumanSize`); 0 where it is none."""
    found = _SIZE.fullmatch((text or "").strip().lower())
    return int(float(found[1]) * 1000 ** " kmgtp".index(found[2] or " ")) if found else 0


def _moment(text: object) -> str:
    """A time; the engine's word for never is the year one."""
    return text if isinstance(text, str) and not text.startswith("0001-") else ""


def _stable_name(name: str, labels: Mapping[str, str]) -> str:
    task = labels.get("com.docker.swarm.task.name", "")  # service.slot.taskid
    if task.count(".") >= 2:
        return task.rpartition(".")[0]
    ours = "io.hass.type" in labels or "supervisor_managed" in labels
    if ours and name.startswith(_APP_PREFIXES):
        return name.partition("_")[2] or name
    return name


def _number(text: str | None) -> int | None:
    if text and text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return int(text)
    return None
