"""Syslog servers that die, hang up and hold their ears."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contract.backends import of_kind, trusted
from tests.contract.test_backend_contract import batch
from tests.real.syslog import Syslog
from tests.real.until import auntil
from towline.errors import Retryable
from towline.ports import Backend
from towline.record import Record


class Ear:
    """A TCP server that keeps what it hears, a text per connection."""

    def __init__(self) -> None:
        self.heard: list[bytearray] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.hearing: list[asyncio.Task[None]] = []
        self.hangs_up = self.is_deaf = False
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Ear]:
        server = await asyncio.start_server(self._hear, "127.0.0.1", 0, limit=4096)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()
            for hearing in self.hearing:
                hearing.cancel()
            await asyncio.gather(*self.hearing, return_exceptions=True)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray()
        self.heard.append(heard)
        self.writers.append(writer)
        if task := asyncio.current_task():
            self.hearing.append(task)
        if self.hangs_up:
            writer.transport.abort()
            return
        if self.is_deaf:
            await asyncio.Event().wait()
        while data := await reader.read(65536):
            heard += data

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def numbers(self) -> list[list[int]]:
        """The numbers of the lines, by connection."""
        return [[int(number) for number in re.findall(rb"line (\d+)", text)] for text in self.heard]


async def persistently(backend: Backend, records: list[Record]) -> None:
    """Send as delivery would, without its pauses."""
    async with asyncio.timeout(30):
        while True:
            try:
                await backend.send(records)
            except Retryable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_what_died_with_a_server_is_sent_again_and_in_order(tmp_path: Path) -> None:
    async with Ear().listening() as ear, of_kind("syslog", tmp_path, url=ear.url) as backend:
        await backend.send(batch(3))
        ear.writers[0].transport.abort()
        await persistently(backend, batch(2, 3))
        await persistently(backend, batch(1, 5))
        await auntil(lambda: ear.numbers()[-1] == [0, 1, 2, 3, 4, 5])


async def test_a_server_that_hangs_up_has_taken_nothing(tmp_path: Path) -> None:
    async with Ear().listening() as ear, of_kind("syslog", tmp_path, url=ear.url) as backend:
        ear.hangs_up = True
        for _ in range(2):
            with pytest.raises(Retryable):
                await backend.send(batch(3))
        ear.hangs_up = False
        await backend.send(batch(3))
        await auntil(lambda: ear.numbers()[-1] == [0, 1, 2])


async def test_one_that_hears_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    async with Ear().listening() as ear:
        ear.is_deaf = True
        async with of_kind("syslog", tmp_path, url=ear.url, timeout="500ms") as backend:
            with pytest.raises(Retryable, match="no answer"):
                await endlessly(backend)


async def endlessly(backend: Backend) -> None:
    while True:
        await backend.send(batch(5000))


async def test_datagrams_arrive_and_nobody_there_is_known(tmp_path: Path) -> None:
    with Syslog(tmp_path / "syslog") as server:
        url = f"udp://{server.address}"
        async with of_kind("syslog", tmp_path, url=url) as backend:
            await backend.send(batch(5))
            await auntil(lambda: len(server.rows()) == 5)
            assert [row["msg"] for row in server.rows()] == [record.message for record in batch(5)]
            await asyncio.to_thread(server.stop)
            with pytest.raises(Retryable, match="connection refused"):
                await backend.send(batch(1))


async def test_tls_is_spoken_with_those_we_know_and_who_know_us(tmp_path: Path) -> None:
    trust, ours = trusted(tmp_path / "trust")
    known = dict(ours["tls"])  # type: ignore[call-overload]
    with Syslog(tmp_path / "syslog", trust) as server:
        url = f"tls://{server.address}"

        async def attempt(**tls: object) -> str:
            async with of_kind("syslog", tmp_path, url=url, tls=tls) as backend:
                try:
                    await backend.send(batch(1))
                except Retryable as exc:
                    return str(exc)
                return "sent"

        assert await attempt(**known) == "sent"
        assert "certificate not accepted" in await attempt()
        assert await attempt(ca=known["ca"]) != "sent"
        assert "tls.ca cannot be read" in await attempt(ca="gone.pem")
        assert len(server.rows()) == 1
