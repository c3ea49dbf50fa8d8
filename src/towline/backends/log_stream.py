"""One request of balena's log stream: a body of lines that does not end until it is ended.

The facts are those of open-balena-api (src/features/device-logs/lib/store.ts) and of
balena-supervisor (src/logging/balena-backend.ts).
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import h11
import msgspec

from towline.backends.details import Details
from towline.backends.http import retry_after
from towline.backends.stream import Pipe, connect
from towline.errors import Retryable
from towline.record import OriginType, Record
from towline.tls import Credentials

CONTENT_TYPE: Final = "application/x-ndjson"
_PORTS: Final = {"http": 80, "https": 443}
_REFUSED: Final = {
    401: "not authorised: the key is wrong, or the device is frozen or deleted",
    404: "no such device",
    503: "cannot take logs now",
}
_AGAIN: Final = 5.0
"""Seconds after which another try is worth it, where the server does not say."""


LONGEST_MESSAGE: Final = 10_000
CUT: Final = "[...]"
_OWN: Final = frozenset({OriginType.SYSTEM, OriginType.MANAGER})


class Refusal(Retryable):
    """The server has answered while lines were still to come; `status` 0: with no HTTP."""

    def __init__(self, reason: str, *, status: int = 0, retry_after: float = _AGAIN) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.status = status


def line(record: Record) -> bytes:
    """A record as the protocol has it: a container's names its service, ours are `isSystem`."""
    message = record.message
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - len(CUT)] + CUT
    found: dict[str, Any] = {"message": message, "timestamp": record.timestamp}
    if record.stderr:
        found["isStdErr"] = True
    if record.origin.type in _OWN or Details(record).is_system:
        found["isSystem"] = True
    elif record.origin.service_id is not None:
        found["serviceId"] = record.origin.service_id
    return msgspec.json.encode(found) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How the protocol wants to be spoken to, in seconds.

    The server cuts what exceeds 50 lines per 500 ms, so `lines` go `every` so often: never more
    than 50 within any 500 ms. It refuses a wrong key within `grace`, but a frozen device only after
    55 s: until then nothing is sure, and after such an answer nothing is sent for as long as a
    `doubt` lasts.
    """

    lines: int = 12
    every: float = 0.16
    grace: float = 5.0
    doubt: float = 60.0
    idle: float = 60.0
    patience: float = 30.0


class Pace:
    """Cuts lines into chunks, and tells each when it may go."""

    def __init__(self, timing: Timing) -> None:
        self._lines = timing.lines
        self._of_a_line = timing.every / timing.lines
        self._due = float("-inf")

    def chunks(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """All lines, in order."""
        return (lines[at : at + self._lines] for at in range(0, len(lines), self._lines))

    def wait(self, count: int, now: float) -> float:
        """Seconds until so many lines may go, which are then taken for gone."""
        begin = max(self._due, now)
        self._due = begin + count * self._of_a_line
        return begin - now


class LogStream:
    """A request that is open. `opened` is when, by the monotonic clock."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._http = h11.Connection(h11.CLIENT)
        self._gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._read = 0
        self.opened = time.monotonic()

    @property
    def lost_at(self) -> float:
        """When the connection ended; now, while it has not."""
        return self._pipe.lost_at or time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the server has answered or hung up."""
        return bool(self._pipe.lost or self._pipe.heard)

    async def begin(self, url: str, key: str) -> None:
        """Send the request's head."""
        parts = urlsplit(url)
        headers = [
            ("Host", parts.netloc),
            ("User-Agent", "towline"),
            ("Authorization", f"Bearer {key}"),
            ("Content-Type", CONTENT_TYPE),
            ("Content-Encoding", "gzip"),
            ("Transfer-Encoding", "chunked"),
        ]
        await self._send(h11.Request(method="POST", target=parts.path, headers=headers))

    async def write(self, lines: bytes) -> None:
        """Write whole lines, so that the server can read them at once."""
        data = self._gzip.compress(lines) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        try:
            await self._send(h11.Data(data=data))
            await self._pipe.settled()
        except Retryable:
            self.check()  # an answer says more than the end of the connection
            raise
        self.check()

    async def stand(self, seconds: float) -> None:
        """Let the server speak against it for so long."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._pipe.news()
        self.check()

    async def end(self, seconds: float) -> None:
        """End the request and wait for the answer; `Refusal` unless it has taken all."""
        try:
            self.check()
            async with asyncio.timeout(seconds):
                await self._send(h11.Data(data=self._gzip.flush()))
                await self._send(h11.EndOfMessage())
                await self._pipe.news()
            self.check(done=True)
        except TimeoutError:
            raise Retryable("no answer") from None
        finally:
            await self._pipe.close()

    def abort(self) -> None:
        """End it at once."""
        self._pipe.abort()

    def check(self, *, done: bool = False) -> None:
        """`Refusal` when the server has answered, `Retryable` when it has hung up."""
        answer = self._answer()
        if answer is None:
            self._pipe.check()
        elif not (done and 200 <= answer.status_code < 300):
            status = answer.status_code
            given = {name: value.decode("latin-1") for name, value in answer.headers}
            wait = retry_after(given.get(b"retry-after", ""), datetime.now(UTC)) or _AGAIN
            reason = f"{_REFUSED.get(status, 'ended by the server')} ({status})"
            raise Refusal(reason, status=status, retry_after=wait)

    async def _send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        await self._pipe.write(self._http.send(event) or b"")

    def _answer(self) -> h11.Response | None:
        news, self._read = self._pipe.heard[self._read :], len(self._pipe.heard)
        if not news:
            return None
        try:
            self._http.receive_data(news)
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    return event
        except h11.RemoteProtocolError:
            raise Refusal("the answer was not HTTP") from None
        return None


async def open_stream(url: str, key: str, credentials: Credentials | None) -> LogStream:
    """A request whose head has been sent; `Retryable` when nobody is there."""
    parts = urlsplit(url)
    pipe = await connect(parts.hostname or "", parts.port or _PORTS[parts.scheme], credentials)
    stream = LogStream(pipe)
    try:
        await stream.begin(url, key)
    except BaseException:
        stream.abort()
        raise
    return stream
