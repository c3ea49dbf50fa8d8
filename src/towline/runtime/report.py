"""How this Towline and its containers are, reported to a server as balena's devices do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from towline.config.settings import Device, Secret
from towline.config.state import State as Settings
from towline.runtime.announce import Told, state
from towline.status import Health
from towline.trouble import Trouble

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)

PATH: Final = "/device/v3/state"
PATIENCE: Final = 20.0
LEAST: Final = 10.0
"""Seconds between two reports at least; balena's own devices keep to that, too."""

ANYWAY: Final = 900.0
"""Seconds after which a report goes out though nothing has changed: a sign of life."""


class Watched(Told, Protocol):
    """The program, with its containers."""

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know."""


class ReportPart:
    """A component that keeps a server informed; one that is away is told later."""

    def __init__(
        self,
        watched: Watched,
        device: Device,
        settings: Settings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.health = Health()
        self._watched = watched
        self._device = device
        self._url = settings.report_to + PATH
        self._key: Secret = settings.key
        self._pause = max(LEAST, settings.publish)
        self._sleep = sleep
        self._trouble = Trouble(
            _log, "state not reported", "state reported again", extra={"component": "report"}
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Report what has changed, until cancelled."""
        import aiohttp  # few report

        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        headers = {"Authorization": f"Bearer {self._key.reveal()}"} if self._key else {}
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            told: Mapping[str, Any] = {}
            silent = 0.0
            while True:
                found = self._found()
                if found != told or silent >= ANYWAY:
                    told, silent = (found, 0.0) if await self._send(session, found) else ({}, 0.0)
                await self._sleep(self._pause)
                silent += self._pause

    def _found(self) -> dict[str, Any]:
        watched = self._watched
        own = state(watched.version, self._device, watched.status())
        return {self._device.id: report(own, watched.containers())}

    async def _send(self, session: aiohttp.ClientSession, found: Mapping[str, Any]) -> bool:
        import aiohttp

        try:
            async with session.patch(self._url, json=found, allow_redirects=False) as answer:
                reason = "" if answer.status < 300 else f"the server answered {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            reason = str(exc) or type(exc).__name__
        if reason:
            self._trouble.happened(reason)
            self.health.degraded(reason)
            return False
        self._trouble.over()
        self.health.up()
        self.health.counters["reported"] += 1
        return True


def report(own: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The state of one device: services by app, as balena's API takes it, and our own words."""
    apps: dict[str, Any] = {}
    for row in containers:
        app = str(row.get("app") or row.get("project") or "containers")
        services = apps.setdefault(app, {"services": {}})["services"]
        services[str(row.get("serviceName") or row["name"])] = {
            "image": row.get("image"),
            "status": str(row.get("state") or "unknown").capitalize(),
            "health": row.get("health"),
            "exit_code": row.get("exitCode"),
            "restarts": row.get("restarts"),
        }
    return {
        "name": own["device"]["name"],
        "is_online": True,
        "status": "Idle" if own["state"] == "up" else "Degraded",
        "apps": apps,
        "towline": own,
    }
