"""States of apps without the Docker socket: Supervisor's own list, asked now and then."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self

from towline.homeassistant.supervisor import App, Ourselves, Supervisor
from towline.ports import Emit, Unheard
from towline.record import Line, Origin, OriginType, time_text
from towline.status import Health
from towline.trouble import Trouble

_log = logging.getLogger(__name__)

EVERY: Final = 30.0
"""Seconds between two questions; Supervisor answers from memory."""

SOURCE: Final = "supervisor"
PREFIX: Final = "app_"
"""Of the names of apps' containers, since Supervisor 2026.07."""

PATIENCE: Final = 60.0
"""Seconds within which Supervisor is expected to have answered once."""

PROTECTED: Final = (
    "Protection mode is on, so there is no Docker socket: switch it off on the app's page and start"
    " the app again. Until then containers are read from the journal, without statistics and"
    " controls"
)

_STATES: Final[Mapping[str, dict[str, Any]]] = {
    "started": {"state": "running", "running": True},
    "startup": {"state": "running", "running": True, "health": "starting"},
    "stopped": {"state": "exited", "running": False},
    "error": {"state": "exited", "running": False, "failed": True},
}
"""Supervisor's words (supervisor/const.py: AppState) in those of a container."""

_RUNNING: Final = frozenset(word for word, told in _STATES.items() if told["running"])


class AppsPart:
    """Keeps the list of apps, and what may be seen of this app itself."""

    def __init__(
        self,
        supervisor: Supervisor,
        emit: Emit,
        device: str,
        *,
        socket: Callable[[], bool],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.health = Health()
        self._supervisor = supervisor
        self._emit = emit
        self._device = device
        self._socket = socket
        self._sleep = sleep
        self._clock = clock
        self._since = clock()
        self._apps: dict[str, App] | None = None
        self._ourselves: Ourselves | None = None
        self._trouble = Trouble(
            _log, "Supervisor does not answer", "Supervisor answers again", extra={}
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._look()
            await self._sleep(EVERY)

    async def _look(self) -> None:
        try:
            apps = await self._supervisor.apps()
            if self._ourselves is None:  # all of it holds until the app is started anew
                self._ourselves = await self._supervisor.ourselves()
        except OSError as exc:
            self._trouble.happened(str(exc))
            self.health.degraded(str(exc))
            return
        self._trouble.over()
        self._compare(apps, self._ourselves)
        if self._ourselves.docker and self._ourselves.protected and not self._socket():
            self.health.degraded(PROTECTED)
        else:
            self.health.up()

    def _compare(self, apps: Iterable[App], ourselves: Ourselves) -> None:
        before, self._apps = self._apps or {}, {app.slug: app for app in apps}
        if self._socket():  # an engine tells more, and at once
            return
        for slug in before.keys() & self._apps.keys() - {ourselves.slug}:
            self._tell(self._apps[slug], before[slug])

    def _tell(self, app: App, before: App) -> None:
        """Put on record what has become of an app since the last look."""
        happened = _happened(before.state, app.state)
        if happened is None:
            return
        event, level, said = happened
        now = time.time_ns()
        origin = Origin(
            type=OriginType.SYSTEM,
            name=app.slug,
            device=self._device,
            service=app.slug,
            container=f"{PREFIX}{app.slug}",
            source=SOURCE,
        )
        found = {"event": event} | ({"failed": True} if event == "die" else {})
        line = Line(f"App {app.name} {said}", time_text(now), now // 1_000_000, level=level)
        line.fields, line.system = json.dumps(found), True
        self._emit(origin, [line])

    def completed(
        self, rows: Sequence[dict[str, Any]], sources: Sequence[Unheard]
    ) -> list[dict[str, Any]]:
        """Rows of containers with what Supervisor knows of them; an engine knows better.

        Apps that have said nothing yet get a row, too, where a source would read them. Until
        Supervisor has told of apps at all, those that nobody else knows are left out: a device
        that had a state and has none for a moment would lose its entities.
        """
        apps = self._apps
        if apps is None:
            young = self._clock() - self._since < PATIENCE
            return [row for row in rows if not (young and row.get("state") is None)]
        own = self._ourselves.slug if self._ourselves else ""
        silent = apps.keys() - {str(row.get("origin")) for row in rows} - {own}
        names = [f"{PREFIX}{slug}" for slug in apps if slug in silent]
        more = [row for name in names for source in sources if (row := source.unheard(name))]
        return [_with(row, apps.get(str(row.get("origin")))) for row in (*rows, *more)]


def _happened(before: str, now: str) -> tuple[str, str, str] | None:
    """The event, its level and what is said of it; None where nothing worth a word happened."""
    ran = before in _RUNNING
    if now in _RUNNING and before in ("stopped", "error"):
        return "start", "info", "started"
    if ran and now == "error":
        return "die", "error", "failed"
    return ("stop", "info", "stopped") if ran and now == "stopped" else None


def _with(row: dict[str, Any], app: App | None) -> dict[str, Any]:
    if app is None:
        return row
    found = {"title": app.name, "version": app.version, "updateAvailable": app.update_available}
    known = row.get("state") is not None or app.state not in _STATES
    return {**row, **found, **({} if known else _STATES[app.state] | {"stateFrom": SOURCE})}
