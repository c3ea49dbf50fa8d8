"""What a manager says of services and tasks, and what its log rows say of theirs. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from towline.record import Origin, OriginType
from towline.sources.docker.frames import HEADER, TEXT, TIME

HELD: Final = 8192
"""Rows of a service by which those that come twice are known."""

_TASK: Final = b"com.docker.swarm.task.id="


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service. `terminal`: its rows have no frames."""

    id: str
    name: str
    labels: Mapping[str, str]
    terminal: bool

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Service:
        """From a row of `GET /services`."""
        spec = found.get("Spec") or {}
        container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
        return cls(
            id=found["ID"],
            name=spec.get("Name") or found["ID"],
            labels={**(spec.get("Labels") or {}), **(container.get("Labels") or {})},
            terminal=bool(container.get("TTY")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: a replica's run on a node."""

    id: str
    service: str
    node: str
    slot: str
    state: str
    container: str
    image: str

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Task:
        """From a row of `GET /tasks`. One of a global service has its node in place of a slot."""
        status = found.get("Status") or {}
        spec = (found.get("Spec") or {}).get("ContainerSpec") or {}
        node = found.get("NodeID") or ""
        return cls(
            id=found["ID"],
            service=found.get("ServiceID") or "",
            node=node,
            slot=str(found.get("Slot") or node),
            state=status.get("State") or "",
            container=(status.get("ContainerStatus") or {}).get("ContainerID") or "",
            image=str(spec.get("Image") or "").partition("@")[0],
        )

    def origin(self, service: Service, *, device: str, swarm: str, source: str) -> Origin:
        """Who writes its records: named as its container's are, so that it is the same wherever."""
        name = f"{service.name}.{self.slot}"
        labels = {
            **service.labels,
            "com.docker.swarm.service.name": service.name,
            "com.docker.swarm.node.id": self.node,
        }
        return Origin(
            type=OriginType.CONTAINER,
            name=name,
            device=device,
            app=labels.get("towline.app"),
            project=labels.get("com.docker.stack.namespace") or labels.get("towline.project"),
            service=service.name,
            container_id=self.container or None,
            container=f"{name}.{self.id}",
            image=self.image,
            engine=swarm,
            source=source,
            labels=tuple(sorted(labels.items())),
        )


def attributed(row: bytes) -> tuple[str, bytes]:
    """The id of the task that wrote a row, and the row as a container would give it.

    `details=1` puts `name=value,...` before the text (moby api/server/httputils/write_log_stream);
    names and values are escaped, so the first blank ends them. Empty id: it has no details.
    """
    details, blank, text = row[TEXT:].partition(b" ")
    for detail in details.rstrip(b"\n").split(b","):
        if detail.startswith(_TASK):
            kept = text if blank else b"\n"
            return detail.removeprefix(_TASK).decode("ascii", "replace"), row[:TEXT] + kept
    return "", row


class Seen:
    """The rows of a service that came last: a stream that is opened again brings some twice."""

    def __init__(self) -> None:
        self._rows: deque[tuple[bytes, int]] = deque(maxlen=HELD)
        self._again: Counter[int] = Counter()

    def since(self, back: bytes) -> str:
        """From when to ask: `back` (RFC 3339), or later where no row of then is held any more."""
        if len(self._rows) < HELD:
            return back.decode()
        return max(back, min(time for time, _ in self._rows)).decode("ascii", "replace")

    def newest(self) -> str:
        """The latest time of a row, or an empty text."""
        return max((time for time, _ in self._rows), default=b"").decode("ascii", "replace")

    def reopened(self) -> None:
        """From now on rows may be those that came before: each is passed over once."""
        self._again = Counter(fingerprint for _, fingerprint in self._rows)

    def new(self, rows: list[bytes]) -> list[bytes]:
        """Those that did not come before; they are held."""
        found = []
        for row in rows:
            fingerprint = crc32(row)
            if self._again[fingerprint] > 0:
                self._again[fingerprint] -= 1
                continue
            self._rows.append((row[HEADER : HEADER + TIME], fingerprint))
            found.append(row)
        return found
