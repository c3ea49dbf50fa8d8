"""The servers of one broker in their order: which takes us, and whether a better one is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from towline.broker.ceiling import Ceiling
from towline.broker.dial import Dialer, NotTaken
from towline.broker.link import Link
from towline.broker.login import Login
from towline.broker.server import Server, server
from towline.config.brokers import SUPERVISOR
from towline.config.fields import plain
from towline.config.settings import Secret

LOOKS: Final = 4
"""How often a better server is looked at in the time that it must have been reachable."""

LONGEST_LOOK: Final = 15.0
_LEAVING: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to connect, and as whom. Without `servers` those of the file count."""

    username: str
    password: Secret
    servers: tuple[str, ...] = ()


class Accounts(Protocol):
    """Gives the account, before the first connection and again after every failure.

    `OSError` with words where it cannot be had: the connection is tried again later.
    """

    async def __call__(self) -> Account:
        """The account that counts now."""


class Place:
    """One server and what became of it. `ceiling` is the largest message it takes."""

    def __init__(self, at: Server) -> None:
        self.at = at
        self.ceiling = Ceiling()
        self.error = ""
        self.tried = 0.0

    def as_json(self, *, used: bool) -> dict[str, Any]:
        """For the status."""
        state = "used" if used else "failed" if self.error else "reachable" if self.tried else None
        return {"url": self.at.url, "state": state or "untried", "error": self.error or None}


@dataclass(frozen=True, slots=True)
class Held:
    """A link that a server has taken; `rank` counts from the most preferred."""

    rank: int
    place: Place
    link: Link


class Servers:
    """Finds a server that takes us."""

    def __init__(
        self,
        urls: Sequence[str],
        login: Login,
        dialer: Dialer,
        *,
        accounts: Accounts | None = None,
        fail_back: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.places = [Place(server(url)) for url in urls if url != SUPERVISOR]
        self.login = login
        self._dialer = dialer
        self._accounts = accounts
        self._fail_back = fail_back
        self._sleep = sleep
        self._clock = clock

    async def first(self, failed: Callable[[str], None]) -> Held | None:
        """A link to the first server that takes us; `failed` hears of each that does not."""
        try:
            await self._ask_account()
        except OSError as exc:
            failed(f"no account: {exc}")
            return None
        for rank, place in enumerate(self.places):
            try:
                return await self._try(rank, place, self.login)
            except NotTaken as exc:
                failed(str(exc))
                if exc.away:
                    place.ceiling.away()
        return None

    async def better(self, than: int) -> Held:
        """A link to a better server, once one has been reachable for a while."""
        since: dict[int, float] = {}
        while than and self._fail_back:
            await self._sleep(min(LONGEST_LOOK, self._fail_back / LOOKS))
            for rank, place in enumerate(self.places[:than]):
                if not await self._looks_well(place):
                    since.pop(rank, None)
                elif self._clock() - since.setdefault(rank, self._clock()) >= self._fail_back:
                    try:
                        return await self._try(rank, place, self.login)
                    except NotTaken:
                        since.pop(rank, None)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")

    def as_json(self, held: Held | None) -> dict[str, Any]:
        """For the status: each server, and the link in use."""
        latency = held.link.latency if held else None
        return {
            "clientId": self.login.client_id,
            "server": held.place.at.url if held else None,
            "servers": [
                place.as_json(used=held is not None and held.place is place)
                for place in self.places
            ],
            "latencyMs": None if latency is None else round(latency * 1000, 3),
            "inFlight": held.link.window.unanswered if held else 0,
        }

    async def _looks_well(self, place: Place) -> bool:
        """Whether a server would take us. Under another id: it may know us under our own."""
        guest = replace(
            self.login, client_id=f"{self.login.client_id}-look", clean_session=True, will=None
        )
        try:
            held = await self._try(0, place, guest)
        except NotTaken:
            return False
        await held.link.leave((), _LEAVING)
        return True

    async def _try(self, rank: int, place: Place, login: Login) -> Held:
        place.tried = self._clock()
        try:
            link = await self._dialer.open(place.at, login)
        except NotTaken as exc:
            place.error = str(exc)
            raise
        place.error = ""
        return Held(rank, place, link)

    async def _ask_account(self) -> None:
        if self._accounts is None:
            return
        account = await self._accounts()
        name, password = plain(account.username), account.password.reveal()
        self.login = replace(self.login, username=name, password=password)
        if account.servers and account.servers != tuple(p.at.url for p in self.places):
            self.places = [Place(server(url)) for url in account.servers]
