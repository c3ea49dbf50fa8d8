"""Live records of a running Towline: it comes back by itself and goes on where it was.

async with aclosing(Tail(Remote(), {"name": "web"}).notices()) as notices:
    async for notice in notices:
        if isinstance(notice, Records):
            ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from towline.client.remote import Parameters, Remote, declined
from towline.errors import NoAnswer
from towline.record import parse_id, record_id

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
_LARGEST: Final = 64 << 20  # a frame holds at least one record, however long that is
_BRIEF: Final = 5.0
_STAYS: Final = frozenset({1000, 1001, 1006, 1011, 1012, 1013, 1014})
"""Close codes after which coming back helps; 1000 is what proxies make of any of them."""


@dataclass(frozen=True, slots=True)
class Records:
    """New records, oldest first, one JSON text each."""

    rows: list[bytes]


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that will not come: how many, or None where nobody knows."""

    missed: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """The connection is lost; said once, then it is tried again and again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Back:
    """The connection is there again, and nothing was lost but what a gap says."""


Notice = Records | Gap | Away | Back


class _Store(msgspec.Struct):
    next: str = ""


class _Frame(msgspec.Struct):
    """What the stream sends (docs/api.md)."""

    type: str
    logs: list[msgspec.Raw] = []
    missed: int | None = None
    reason: str = ""
    after: str = ""
    store: _Store | None = None


class _Identified(msgspec.Struct):
    id: str


_frame = msgspec.json.Decoder(_Frame).decode
_identified = msgspec.json.Decoder(_Identified).decode


class Tail:
    """The last `last` records (None: all that match) and then every new one, each once.

    Where the live records begin is told by the first hello; what was before is searched up to
    exactly there, so that nothing falls between the two, whatever breaks when.
    """

    def __init__(
        self,
        remote: Remote,
        parameters: Parameters,
        *,
        since: str = "",
        last: int | None = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._remote = remote
        self._parameters = parameters
        self._since = since
        self._last = last
        self._sleep = sleep
        self._before = ""
        self._searched = ""
        self._position = ""

    async def notices(self) -> AsyncGenerator[Notice, None]:
        """Until the caller has enough. `NoAnswer` only while there never was a connection."""
        wait, away = FIRST_WAIT, False
        while True:
            try:
                async with self._connected() as socket:
                    if away:
                        yield Back()
                    wait, away = FIRST_WAIT, False
                    async for rows in self._history():
                        yield Records(rows)
                    while True:
                        for notice in self._read(await self._heard(socket)):
                            yield notice
            except NoAnswer as exc:
                if not self._before:
                    raise
                why = str(exc)
            except ConnectionClosed as exc:
                why = self._parting(exc)
            if not away:
                away = True
                yield Away(why)
            await self._sleep(wait)
            wait = min(LONGEST_WAIT, wait * 2)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[ClientConnection, None]:
        """A connection that has said hello; `NoAnswer` or `Declined`."""
        url = self._remote.stream_url(
            {**self._parameters, "tail": "0", "after": self._position},
        )
        try:
            socket = await connect(
                url,
                additional_headers=self._remote.headers,
                max_size=_LARGEST,
                compression=None,
                proxy=None,
            )
        except InvalidStatus as exc:
            answer = exc.response
            raise self._remote.refusal(answer.status_code, bytes(answer.body or b"")) from exc
        except (OSError, InvalidHandshake) as exc:
            asked = Remote(self._remote.address.url(), timeout=_BRIEF)
            await asyncio.to_thread(asked.get, "health")  # says better what is the matter
            raise self._remote.silent(exc) from exc
        async with socket:
            hello = await self._heard(socket)
            if not self._before and hello.store is not None:
                self._before = hello.store.next
                self._position = record_id(max(parse_id(self._before) - 1, 0))
            yield socket

    async def _heard(self, socket: ClientConnection) -> _Frame:
        data = await socket.recv(decode=False)
        try:
            return _frame(data)
        except msgspec.DecodeError as exc:
            raise self._remote.stranger("a frame that is none of ours") from exc

    async def _history(self) -> AsyncGenerator[list[bytes], None]:
        """What was there before the first hello; after a break, what is still missing of it."""
        wanted = {**self._parameters, "before": self._before}
        if self._since:
            wanted["since"] = self._since
        while self._last is None:
            after = {"after": self._searched} if self._searched else {}
            page = await asyncio.to_thread(self._remote.page, {**wanted, **after, "order": "asc"})
            self._searched = page.next
            self._last = None if page.next else 0
            yield page.rows
        if self._last:
            page = await asyncio.to_thread(self._remote.newest, wanted, self._last)
            self._last = 0
            yield page.rows

    def _read(self, frame: _Frame) -> list[Notice]:
        if frame.type == "logs" and frame.logs:
            rows = [bytes(row) for row in frame.logs]
            self._position = _identified(rows[-1]).id
            return [Records(rows)]
        if frame.type == "ping":
            self._position = frame.after or self._position
        if frame.type == "gap":
            return [Gap(frame.missed, frame.reason)]
        return []

    def _parting(self, exc: ConnectionClosed) -> str:
        """Why it ended, if coming back helps; else `Declined`."""
        if exc.rcvd is None:
            return "the connection broke"
        if exc.rcvd.code in _STAYS:
            return exc.rcvd.reason or "the connection was closed"
        code, _, text = exc.rcvd.reason.partition(": ")
        raise declined(code, text or exc.rcvd.reason or f"closed with {exc.rcvd.code}") from exc
