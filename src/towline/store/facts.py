"""What a file holds, as a whole and block by block, so that a query can pass most of it by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakValueDictionary
from zlib import crc32

import msgspec

from towline.pipeline.encode import Carried, carried
from towline.record import Origin, Record
from towline.store import codec

VERSION: Final = 2
MAX_KINDS: Final = 1000
"""Kinds that a file tells apart; what comes after is counted as `ANY`, which may be anything."""

_MAX_SEEN: Final = 4096


class Kind:
    """What many records have in common: origin, level and stream. Equal ones are one object."""

    __slots__ = ("__weakref__", "level", "origin", "stderr")

    def __init__(self, origin: Carried | None, level: str, stderr: bool) -> None:
        self.origin = origin
        self.level = level
        self.stderr = stderr


ANY: Final = Kind(None, "", False)
_kinds: WeakValueDictionary[tuple[Carried, str, bool], Kind] = WeakValueDictionary()


def kind_of(origin: Carried, level: str, stderr: bool) -> Kind:
    """The one object for records of this kind; it lives as long as a file has such records."""
    key = (origin, level, stderr)
    found = _kinds.get(key)
    if found is None:
        found = _kinds[key] = Kind(origin, level, stderr)
    return found


@dataclass(slots=True)
class Block:
    """Some rows of a file that lie together: where in its text, how many, and which.

    `last` is the offset of the last record, `oldest` and `newest` are milliseconds.
    """

    at: int
    length: int = 0
    count: int = 0
    last: int = -1
    oldest: int = 1 << 62
    newest: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)

    def copy(self) -> Block:
        """The same, which no longer grows."""
        return Block(
            self.at, self.length, self.count, self.last, self.oldest, self.newest, +self.kinds
        )


@dataclass(slots=True)
class Facts:
    """What a file holds; `length` is that of its text.

    `blocks` is None once they are written beside the file.

    `kinds` is None where nobody counted them: an index of an older format.
    """

    count: int = 0
    last: int = -1
    oldest: int = 1 << 62
    newest: int = 0
    length: int = 0
    levels: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    kinds: Counter[Kind] | None = field(default_factory=Counter)
    blocks: list[Block] | None = field(default_factory=list, compare=False, repr=False)
    _seen: dict[tuple[int, str, bool], tuple[Origin, Kind]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def add(self, records: list[Record]) -> None:
        """Count records in, whose rows follow each other in the file's text."""
        sizes = [len(record.json) + 1 for record in records]
        room = codec.BLOCK - self._filled()
        if sum(sizes) < room:
            self._take(records, sum(sizes))
            return
        start = 0
        for end, size in enumerate(sizes, 1):
            room -= size
            if room <= 0:  # as codec.pack does it: the row that reaches the size is the last
                self._take(records[start:end], sum(sizes[start:end]))
                self._begin()
                start, room = end, codec.BLOCK
        if start < len(records):
            self._take(records[start:], sum(sizes[start:]))

    def add_block(self, length: int, records: list[Record]) -> None:
        """Count a block of that much text in, and the records that are whole in it."""
        if self.blocks is not None:
            at = self.blocks[-1].at + self.blocks[-1].length if self.blocks else 0
            self.blocks.append(Block(at))
        self.length += length
        if records:
            self._take(records, 0)
        if self.blocks is not None:
            self.blocks[-1].length = length

    def _filled(self) -> int:
        return self.blocks[-1].length if self.blocks else 0

    def _begin(self) -> None:
        if self.blocks:
            last = self.blocks[-1]
            self.blocks.append(Block(last.at + last.length))

    def _take(self, records: list[Record], size: int) -> None:
        counts: dict[tuple[int, str, bool], int] = {}
        for each in records:  # for the few records of a write, half of what a Counter costs
            key = id(each.origin), each.level, each.stderr
            counts[key] = counts.get(key, 0) + 1
        seen = self._seen
        kinds = [
            ((seen.get(key) or self._learn(key, records))[1], count)
            for key, count in counts.items()
        ]
        times = [record.timestamp for record in records]
        number, last, oldest, newest = len(records), records[-1].offset, min(times), max(times)
        if self.blocks == []:
            self.blocks.append(Block(0))
        for whole in (self, self.blocks[-1]) if self.blocks else (self,):
            whole.length += size
            whole.count += number
            whole.last = max(whole.last, last)
            whole.oldest = min(whole.oldest, oldest)
            whole.newest = max(whole.newest, newest)
            if whole.kinds is not None:
                for kind, count in kinds:
                    whole.kinds[kind] += count

    def _learn(self, key: tuple[int, str, bool], records: list[Record]) -> tuple[Origin, Kind]:
        # an origin's identity is cheaper than its hash; it is kept, so that none can be given twice
        if len(self._seen) >= _MAX_SEEN:
            self._seen.clear()
        origin = next(each.origin for each in records if id(each.origin) == key[0])
        found = kind_of(carried(origin), *key[1:])
        if self.kinds is not None and len(self.kinds) >= MAX_KINDS and found not in self.kinds:
            found = ANY
        self.levels.add(key[1])
        self.names.add(origin.name)
        self._seen[key] = origin, found
        return self._seen[key]

    def as_text(self) -> str:
        """For the file beside a closed one; the blocks are read from there from now on."""
        text = _encode(_index(self)).decode()
        self.blocks = None
        self._seen = {}
        return f"{text}\n{crc32(text.encode()):08x}\n"

    @classmethod
    def parse(cls, text: str) -> Facts:
        """From that text, without the blocks; a `ValueError` when it is damaged."""
        found = _read(text, _head)
        kinds = Counter(dict(_restored(found))) if found.version == VERSION else None
        return cls(
            found.count,
            found.last,
            found.oldest,
            found.newest,
            found.length,
            set(found.levels),
            set(found.names),
            kinds,
            None,
        )


class _Head(msgspec.Struct):
    """An index without its blocks. A kind is the number of its origin, its level and stream."""

    count: int
    last: int
    oldest: int
    newest: int
    levels: list[str]
    names: list[str]
    version: int = 1
    length: int = 0
    origins: list[Carried] = []
    kinds: list[tuple[int, str, bool]] = []
    counts: list[int] = []


class _Row(msgspec.Struct, array_like=True):
    """A block; `counts` are the number of a kind and how many, in turns."""

    length: int
    count: int
    last: int
    oldest: int
    newest: int
    counts: list[int]


class _Index(_Head):
    """An index: one line of JSON, and a second with its CRC-32."""

    blocks: list[_Row] = []


_encode = msgspec.json.Encoder().encode
_head = msgspec.json.Decoder(_Head)
_whole = msgspec.json.Decoder(_Index)


def _read(text: str, decoder: Any) -> Any:
    body, _, rest = text.partition("\n")
    found = decoder.decode(body)  # msgspec's errors are ValueErrors
    if found.version not in (1, VERSION):
        raise ValueError("an index of a format that is not known")
    if found.version == VERSION and rest.strip() != f"{crc32(body.encode()):08x}":
        raise ValueError("a damaged index")
    if not found.count or len(found.counts) != len(found.kinds):
        raise ValueError("an index that contradicts itself")
    return found


def _restored(found: _Head) -> Iterator[tuple[Kind, int]]:
    return zip(_kinds_of(found), found.counts, strict=True)


def _kinds_of(found: _Head) -> list[Kind]:
    origins = found.origins
    return [
        kind_of(origins[number], level, stderr) if 0 <= number < len(origins) else ANY
        for number, level, stderr in found.kinds
    ]


def blocks_of(text: str) -> list[Block] | None:
    """The blocks that an index tells of; None in an older format, `ValueError` when damaged."""
    found = _read(text, _whole)
    if found.version != VERSION:
        return None
    kinds = _kinds_of(found)
    blocks, at = [], 0
    for row in found.blocks:
        counts = zip(row.counts[::2], row.counts[1::2], strict=True)
        block = Block(at, row.length, row.count, row.last, row.oldest, row.newest)
        try:
            block.kinds.update({kinds[number]: count for number, count in counts})
        except IndexError as exc:
            raise ValueError("an index that contradicts itself") from exc
        blocks.append(block)
        at += row.length
    return blocks


def _index(facts: Facts) -> _Index:
    kinds = list(facts.kinds or ())
    numbers = {kind: number for number, kind in enumerate(kinds)}
    origins = list(dict.fromkeys(kind.origin for kind in kinds if kind.origin is not None))
    places: dict[Carried | None, int] = {origin: at for at, origin in enumerate(origins)}
    return _Index(
        version=VERSION,
        count=facts.count,
        last=facts.last,
        oldest=facts.oldest,
        newest=facts.newest,
        length=facts.length,
        levels=sorted(facts.levels),
        names=sorted(facts.names),
        origins=origins,
        kinds=[(places.get(kind.origin, -1), kind.level, kind.stderr) for kind in kinds],
        counts=list((facts.kinds or {}).values()),
        blocks=[_row(block, numbers) for block in facts.blocks or () if block.length],
    )


def _row(block: Block, numbers: dict[Kind, int]) -> _Row:
    counts: Iterable[int] = (
        each for kind, count in block.kinds.items() for each in (numbers[kind], count)
    )
    return _Row(block.length, block.count, block.last, block.oldest, block.newest, list(counts))
