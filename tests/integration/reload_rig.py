"""A whole Towline under load, and everyone who would notice if a reload touched too much.

A container counts; two MQTT backends, each over a broker connection of its own, the store and a
viewer take the numbers down. Most reloads move the backend `moved` to another topic; all else is
to stay the very same.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx

from tests.integration.reload_saves import Saving
from tests.integration.reload_watchers import Subscriber, Viewer, numbers, sockets_to
from tests.real.broker import Broker, free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil
from towline.app import Towline
from towline.config.environment import Overrides
from towline.config.settings import Match
from towline.ports import Component
from towline.runtime.configuration import Options
from towline.store.query import Query

PATIENCE: Final = 60.0
"""Seconds after which a wait is given up. Generous: it says nothing about speed."""

BATCH: Final = 50
APPLIED, REFUSED, ROLLED_BACK = "applied", "refused", "rolled back"
_COUNT: Final = """awk 'BEGIN {{ for (;;) {{ for (i = 0; i < {burst}; i++) print "line", ++n
fflush(); system("usleep 50000") }} }}'"""


@dataclass(frozen=True)
class Text:
    """What the file says. `other` is the broker of `moved`, `topic` where that publishes."""

    base: str
    engine: str
    home: str
    other: str
    port: int
    topic: str = "one"
    device: str = "pi"
    docker: str = ""
    api: str = ""
    more: str = ""

    def __str__(self) -> str:
        batch = f"batch: {{max_age: 50ms, max_records: {BATCH}}}"
        docker = f'type: docker, url: "{self.engine}", include: [{{name: "{self.base}"}}]'
        return f"""version: 1
device: {{id: {self.device}}}
sources:
  docker: {{{docker}{self.docker}}}
brokers:
  home: {{servers: ["{self.home}"], client_id: "{self.base}-home"}}
  other: {{servers: ["{self.other}"], client_id: "{self.base}-other"}}
backends:
  moved: {{type: mqtt, broker: other, topic: "{self.base}/{self.topic}", {batch}}}
  kept: {{type: mqtt, broker: home, topic: "{self.base}/kept", {batch}}}
api: {{listen: "127.0.0.1:{self.port}"{self.api}}}
{self.more}"""

    def but(self, **changes: Any) -> str:
        """The same with other values."""
        return str(replace(self, **changes))


@dataclass(frozen=True)
class Snapshot:
    """What must be the very same after a reload that does not concern it."""

    parts: Mapping[str, Component]
    connected: Mapping[str, int]
    docker: frozenset[int]


@dataclass
class Rig:
    """A running Towline, its file, and those who listen."""

    towline: Towline
    text: Text
    saving: Saving
    subscriber: Subscriber
    engine: Engine
    containers: Containers
    viewer: Viewer = field(init=False)
    task: asyncio.Task[None] = field(init=False)

    @property
    def taken(self) -> int:
        """A port that somebody else listens on."""
        return int(self.text.home.rpartition(":")[2])

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.text.port}/api/v1"

    def stream(self, port: int = 0, **wishes: str) -> str:
        """Where its viewers look."""
        query = "".join(f"&{name}={text}" for name, text in wishes.items())
        base = f"ws://127.0.0.1:{port or self.text.port}/api/v1/logs/stream"
        return f"{base}?container={self.text.base}{query}"

    async def save(self, **changes: Any) -> None:
        """Save the file with other values."""
        await asyncio.to_thread(self.saving.save, self.text.but(**changes))

    async def asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer of its API."""
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            return await client.request(method, self.url + path, **more)

    def entries(self) -> list[dict[str, Any]]:
        """How attempts to change the configuration ended, oldest first, without the start."""
        found = self.towline.config_history()
        return [entry for entry in found if entry["actor"] != "start"][::-1]

    def outcomes(self) -> list[str]:
        """The same in words."""
        return [entry["outcome"] for entry in self.entries()]

    async def ended(self, count: int) -> dict[str, Any]:
        """The newest attempt, once there are `count`."""
        await auntil(lambda: len(self.entries()) >= count, PATIENCE, f"{count} attempts")
        return self.entries()[-1]

    def snapshot(self) -> Snapshot:
        """What there is now."""
        return Snapshot(
            parts=self.towline.parts(),
            connected=connects(self.towline),
            docker=sockets_to(str(self.engine.socket)),
        )

    def untouched(self, before: Snapshot, *, but: Iterable[str] = ()) -> None:
        """What was there is there: components, Docker streams, MQTT sessions, the viewer."""
        excepted = {"backends.moved", *but}
        parts = self.towline.parts()
        for key in before.parts.keys() - excepted:
            assert parts.get(key) is before.parts[key], f"{key} is another one"
        for key in before.connected.keys() - excepted:
            assert connects(self.towline)[key] == before.connected[key], f"{key} connected again"
        if not any(key.startswith("sources.") for key in excepted):
            assert before.docker
            assert before.docker <= sockets_to(str(self.engine.socket))
        if "api" not in excepted:
            assert self.viewer.closed is None, self.viewer.closed
            assert self.viewer.kinds["hello"] == 1

    def arrived(self, *topics: str) -> list[int]:
        """The numbers on these topics, in order of arrival."""
        return self.subscriber.numbers(*(f"{self.text.base}/{topic}" for topic in topics))

    async def flowing(self, topic: str = "kept", more: int = 100) -> None:
        """Until that many further numbers have come on a topic."""
        wanted = len(self.arrived(topic)) + more
        await auntil(lambda: len(self.arrived(topic)) >= wanted, PATIENCE, f"numbers on {topic}")

    def newest(self, count: int) -> Query:
        """Asks for the container's newest records."""
        return Query(match=Match(container=(self.text.base,)), limit=count)

    async def stored(self) -> list[int]:
        """The numbers in the store."""
        query = replace(self.newest(10_000), newest_first=False)
        found: list[int] = []
        while True:
            page = await self.towline.store.query(query)
            found += numbers(record.message for record in page.records)
            if page.next is None:
                return found
            query = replace(query, after=page.next)

    async def end_counting(self) -> list[int]:
        """Kill the container; what it wrote."""
        await asyncio.to_thread(self.containers.cli, "kill", self.text.base)
        shown, _ = await asyncio.to_thread(self.containers.logs, self.text.base)
        return numbers(shown.decode().splitlines())

    async def complete(self, *topics: str, repeats: int = 0) -> None:
        """End the counting: everybody has every number in order, once.

        `topics` are where `moved` has published (default: one and two).
        There, `repeats` may have come twice: what a batch holds, where one was cut short.
        """
        written = await self.end_counting()
        moved = topics or ("one", "two")
        last = written[-1]
        await auntil(lambda: last in self.arrived("kept"), PATIENCE, "the untouched backend")
        await auntil(lambda: last in self.arrived(*moved), PATIENCE, "the changed backend")
        assert await self.stored() == written
        assert self.arrived("kept") == written
        found = self.arrived(*moved)
        assert list(dict.fromkeys(found)) == written
        assert len(found) - len(written) <= repeats
        if self.viewer.closed is None:
            await auntil(lambda: last in self.viewer.numbers[-9:], PATIENCE, "the viewer")
            assert self.viewer.numbers == written
            assert not self.viewer.kinds["gap"]


@asynccontextmanager
async def counting(
    engine: Engine,
    broker: Broker,
    containers: Containers,
    folder: Path,
    *,
    saving: Saving | None = None,
    other: str = "",
    more: str = "",
    rate: int = 1000,
) -> AsyncIterator[Rig]:
    """A rig whose container counts `rate` lines per second, and where everything flows."""
    base = f"reload-{secrets.token_hex(4)}"
    saving = saving or Saving()
    text = Text(base, engine.host, broker.url, other or broker.url, free_port(), more=more)
    (folder / "etc").mkdir()
    file = await asyncio.to_thread(saving.begin, folder / "etc", str(text))
    overrides = Overrides(data=str(folder / "data"))
    towline = Towline(Options(file=file, environment={}, overrides=overrides))
    with broker.listen(f"{base}/#") as listener:
        rig = Rig(towline, text, saving, Subscriber(listener), engine, containers)
        try:
            async with asyncio.TaskGroup() as tasks:
                rig.task = tasks.create_task(towline.run())
                await auntil(lambda: has_begun(towline) or rig.task.done(), PATIENCE)
                try:
                    async with Viewer(rig.stream()) as rig.viewer:
                        script = _COUNT.format(burst=rate // 20)
                        await asyncio.to_thread(containers.run, script, name=base)
                        await rig.flowing("kept", BATCH)
                        if not other:
                            await rig.flowing("one", BATCH)
                        yield rig
                finally:
                    towline.stop()
        finally:
            await asyncio.to_thread(saving.end)


def has_begun(towline: Towline) -> bool:
    """Whether its first configuration is in force."""
    return hasattr(towline, "store") and bool(towline.config_history())


def connects(towline: Towline) -> dict[str, int]:
    """How often each broker was connected."""
    return {
        key: part["counters"].get("connected", 0)
        for key, part in towline.status().items()
        if key.startswith("brokers.")
    }
