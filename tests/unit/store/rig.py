"""Stores with real files, and records to put into them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from towline.config.settings import Store as StoreSettings
from towline.pipeline.encode import Decoder, encode, template_of
from towline.record import Line, Origin, OriginType, Record, time_text
from towline.store import codec
from towline.store.log import Store
from towline.store.query import Query

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", container_id="c" * 12)
MS = 1_795_256_567_000
"""When the first record was written, in milliseconds."""


def lines(count: int, *, start: int = 0, **more: Any) -> list[Line]:
    """Lines `line <n>` written a second apart, numbered from `start`."""
    made = []
    for number in range(start, start + count):
        ms = MS + number * 1000
        given = {"level": "info", "seq": number + 1, **more}
        made.append(Line(f"line {number}", time_text(ms * 1_000_000), ms, **given))
    return made


def records(count: int, offset: int = 0, *, origin: Origin = WEB, **more: Any) -> list[Record]:
    """Records from `offset` on."""
    return encode(template_of(origin), lines(count, **more), offset)


class Rig:
    """Appends numbered lines to a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.numbers: Iterator[int] = itertools.count()

    def add(self, count: int = 1, *, origin: Origin = WEB, **more: Any) -> list[Record]:
        """Append `count` records."""
        start = next(self.numbers)
        self.numbers = itertools.count(start + count)
        made = records(count, self.store.next_offset, origin=origin, start=start, **more)
        self.store.append(made)
        return made

    def add_each(self, count: int, **more: Any) -> list[Record]:
        """Append records one by one."""
        return [record for _ in range(count) for record in self.add(1, **more)]

    def fill(self, files: int, count: int = 10) -> list[Record]:
        """Append `files` files of `count` records each, closed but not yet compressed."""
        made = []
        for _ in range(files):
            made += self.add(count)
            self.store.flush()
            self.store.files.roll()
        return made


@asynccontextmanager
async def opened(folder: Path, *, memory: int = 10_000, **more: Any) -> AsyncIterator[Rig]:
    """A store in a folder."""
    persist = more.pop("persist", True)
    settings = StoreSettings(path=folder, persist=persist)
    async with Store(settings, memory=memory, **more) as store:
        store.files.compression = "none"
        yield Rig(store)


async def until(predicate: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    while not predicate():
        await asyncio.sleep(0)


def messages(found: list[Record]) -> list[str]:
    """The texts of records."""
    return [record.message for record in found]


def names(folder: Path) -> list[str]:
    """The names of the files of a store in a folder."""
    return sorted(path.name for path in (folder / "logs").iterdir())


def stored(folder: Path) -> list[str]:
    """What an ordinary reader of the folder sees, file by file."""
    decode = Decoder()
    paths = sorted(path for path in (folder / "logs").iterdir() if ".ndjson" in path.name)
    return [decode(row).message for path in paths for row in codec.lines(path)]


async def everything(rig: Rig) -> list[str]:
    """The texts of all records, oldest first."""
    page = await rig.store.query(Query(newest_first=False, limit=1_000_000))
    return messages(page.records)


def numbered(count: int, start: int = 0) -> list[str]:
    """The texts of numbered lines."""
    return [f"line {number}" for number in range(start, start + count)]
