"""Records to balenaCloud or openBalena, as a device's own supervisor sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self

from towline.backends.log_stream import LogStream, Pace, Refusal, Timing, line, open_stream
from towline.backends.stream import REPEATED, Window
from towline.config.balena import BALENA, BalenaSettings, balena
from towline.config.http import exposure
from towline.config.kinds import Kind
from towline.config.tls import tls_doubts
from towline.errors import Retryable
from towline.record import Batch
from towline.tls import Credentials

_NOT_AUTHORISED: Final = 401


class BalenaBackend:
    """Writes lines to a stream that stays open while there are any. Nothing acknowledges them."""

    max_records = 50
    max_age = 0.1

    def __init__(
        self,
        settings: BalenaSettings,
        folder: Path,
        timing: Timing | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = f"{settings.url}/device/v2/{settings.uuid}/log-stream"
        self._settings = settings
        is_tls = settings.url.lower().startswith("https:")
        self._credentials = Credentials(settings.tls, folder) if is_tls else None
        self._timing = timing or Timing()
        self._grace = self._timing.grace
        self._sleep = sleep
        self._window = Window(self._timing.doubt)
        self._stream: LogStream | None = None
        self._pace = Pace(self._timing)
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._hang_up()
        if self._ending is not None:
            await self._ending

    async def send(self, batch: Batch) -> None:
        """Write all records, at the pace of the protocol, and see that nobody objects."""
        self._wait_for_more(None)
        lines = [line(record) for record in batch]
        started = time.monotonic()
        try:
            stream = await self._trusted()
            for chunk in self._pace.chunks([*self._window.again, *lines]):
                await self._sleep(self._pace.wait(len(chunk), time.monotonic()))
                async with asyncio.timeout(self._timing.patience):
                    await stream.write(b"".join(chunk))
        except TimeoutError as exc:
            self._lose(started, Retryable("no answer"))
            raise Retryable("no answer") from exc
        except Retryable as exc:
            self._lose(started, exc)
            raise
        self._window.sent(lines, time.monotonic())
        self._wait_for_more(self._timing.idle)

    async def _trusted(self) -> LogStream:
        """A stream that has stood long enough."""
        if self._stream is not None and self._stream.is_over:
            try:
                self._stream.check()
            except Refusal:
                raise
            except Retryable as exc:  # hung up while there was nothing to say
                self._lose(self._stream.lost_at, exc)
        if self._stream is None:
            key = self._settings.key.reveal()
            self._stream = await open_stream(self._url, key, self._credentials)
        await self._stream.stand(self._stream.opened + self._grace - time.monotonic())
        self._grace = self._timing.grace
        return self._stream

    def _lose(self, moment: float, why: Retryable) -> None:
        """Give the stream up; what was sent shortly before a moment is sent again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()
            self._doubt(stream, moment, why)

    def _doubt(self, stream: LogStream, moment: float, why: Retryable) -> None:
        """What was sent shortly before may be lost with the stream; after a refusal, all of it."""
        if isinstance(why, Refusal) and why.status == _NOT_AUTHORISED:
            self._window.lost(moment)
            if moment - stream.opened > self._grace:
                self._grace = self._timing.doubt
        else:
            self._window.lost(moment, REPEATED)

    def _wait_for_more(self, seconds: float | None) -> None:
        """Hang up after so long without a line; `None`: not now."""
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = None if seconds is None else loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        self._wait_for_more(None)
        stream, self._stream = self._stream, None
        if stream is not None:
            self._ending = asyncio.ensure_future(self._end(stream))

    async def _end(self, stream: LogStream) -> None:
        ended = time.monotonic()
        try:
            await stream.end(self._timing.grace)
        except Retryable as exc:
            self._doubt(stream, ended, exc)
        else:
            self._window.arrived()


KIND: Final = Kind(
    schema=BALENA,
    config=balena,
    open=lambda name, config, around: BalenaBackend(config, around.folder),
    doubts=lambda config: [*tls_doubts(config.tls), *exposure(config.url, config.key)],
)
