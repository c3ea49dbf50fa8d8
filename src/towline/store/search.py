"""Running a query over the files. Blocking: for a thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from towline.pipeline.encode import Decoder, template_of
from towline.pipeline.match import Verdict
from towline.record import Record
from towline.store.facts import ANY, Block, Facts, Kind
from towline.store.needle import literals_of, needle_of
from towline.store.query import Filter, Query
from towline.store.segment import Segment
from towline.store.words import words_of

_log = logging.getLogger(__name__)
PAGE_BYTES: Final = 16 << 20
"""Bytes of records in one page, which ends early there."""

FEW: Final = 0.2
"""The share of a block's rows up to which they are looked for by what their kind has in common."""


class Plan:
    """A query compiled for files: what it needs of a file, of a block and of a row.

    Memory holds what is at or after offset `edge`. Once `stopped`, nobody waits for an answer.
    """

    def __init__(self, query: Query, decode: Decoder) -> None:
        self.query = query
        self.decode = decode
        self.wanted = Filter(query)
        self.needle = needle_of(query)
        self.words = words_of(literals_of(query))
        self.edge = 1 << 62
        self.stopped = False
        self._verdicts: dict[Kind, Verdict] = {}

    def verdict(self, kind: Kind) -> Verdict:
        """True, False, or a test: whether records of a kind are asked for."""
        found = self._verdicts.get(kind)
        if found is None:
            found = self._verdicts[kind] = self._judge(kind)
        return found

    def _judge(self, kind: Kind) -> Verdict:
        if kind.origin is None:
            return self.wanted
        try:
            origin = self.decode.origin(kind.origin)
        except ValueError:  # a type of origin that a later version knows
            return self.wanted
        verdict = self.wanted.of(origin, kind)
        return verdict if self.wanted.plain or verdict is False else self.wanted

    @property
    def _before(self) -> int:
        before = self.query.before
        return self.edge if before is None else min(before, self.edge)

    def may_hold(self, held: Facts | Block, first: int) -> bool:
        """Whether a file or block from offset `first` on may hold anything that is asked for."""
        query = self.query
        if not held.count and isinstance(held, Block):
            return False
        if query.after is not None and held.last <= query.after:
            return False
        if first >= self._before:
            return False
        if query.since is not None and held.newest < query.since:
            return False
        if query.until is not None and held.oldest >= query.until:
            return False
        kinds = held.kinds
        return kinds is None or any(self.verdict(kind) is not False for kind in kinds)

    def may_say(self, words: bytes | None) -> bool:
        """Whether a file with these words may hold a message with the texts asked for."""
        return words is None or all(word in words for word in self.words)

    def whole(self, held: Facts | Block, first: int) -> bool:
        """Whether its kinds alone tell which of its records are asked for."""
        query = self.query
        return (
            held.kinds is not None
            and (query.after is None or first > query.after)
            and held.last < self._before
            and (query.since is None or held.oldest >= query.since)
            and (query.until is None or held.newest < query.until)
            and all(isinstance(self.verdict(kind), bool) for kind in held.kinds)
        )

    def all_of(self, held: Block) -> bool:
        """Whether every kind of record in a block is asked for."""
        return all(self.verdict(kind) is True for kind in held.kinds)

    def rows(self, text: bytes, block: Block | None) -> list[bytes]:
        """Rows of a block's text that may be asked for, in their order."""
        if self.needle is not None:
            return [text[start:end] for start, end in self.needle.rows(text)]
        if block is not None and (marked := self._marked(text, block)) is not None:
            return marked
        return text.split(b"\n")

    def _marked(self, text: bytes, block: Block) -> list[bytes] | None:
        """Rows of the kinds that are asked for, found by what these have in common."""
        kinds = [kind for kind in block.kinds if self.verdict(kind) is not False]
        expected = sum(block.kinds[kind] for kind in kinds)
        if ANY in kinds or expected > FEW * block.count:
            return None
        marks = {_mark(self.decode, kind) for kind in kinds}
        if len(marks) > 3:
            levels = {kind.level for kind in kinds}
            share = sum(block.kinds[kind] for kind in block.kinds if kind.level in levels)
            if len(levels) > 2 or share > FEW * block.count:
                return None
            marks = {b'"level":"%b"' % level.encode() for level in levels}
        spans = sorted({span for mark in marks for span in _spans(text, mark)})
        if len(spans) < expected:
            return None  # rows that were written otherwise than we do it now
        return [text[start:end] for start, end in spans]


def _mark(decode: Decoder, kind: Kind) -> bytes:
    assert kind.origin is not None
    head = template_of(decode.origin(kind.origin)).head
    return f'"level":"{kind.level}",{head}"seq":'.encode()


def _spans(text: bytes, mark: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while (found := text.find(mark, at)) >= 0:
        start = text.rfind(b"\n", at - 1 if at else 0, found) + 1
        end = text.find(b"\n", found)
        if end < 0:
            return
        yield start, end
        at = end + 1


@dataclass(slots=True)
class Piece:
    """Some blocks of a file, for one go: those from number `start` to before `end`.

    `known` are the blocks of a file that still grows, as they were when the query was asked.
    """

    segment: Segment
    known: list[Block] | None
    start: int = 0
    end: int | None = None


@dataclass(slots=True)
class Found:
    """What was found, `size` bytes of it; `reached` is where the time was up, if it was."""

    records: list[Record] = field(default_factory=list)
    reached: int | None = None
    size: int = 0
    damaged: int = 0

    def take(self, record: Record, wanted: int) -> bool:
        """Add a record; whether that is enough."""
        self.records.append(record)
        self.size += len(record.json)
        return len(self.records) >= wanted or self.size > PAGE_BYTES


def find(plan: Plan, piece: Piece, wanted: int, deadline: float) -> Found:
    """Records of a piece in the order asked for; damaged rows are passed over.

    At least one block is looked at, whatever the time.
    """
    found = Found()
    newest_first = plan.query.newest_first
    for block, first, text in texts(plan, piece):
        rows = plan.rows(text, block)
        for row in reversed(rows) if newest_first else rows:
            try:
                record = plan.decode(row)
            except ValueError:
                found.damaged += bool(row)
                continue
            wants = record.offset < plan.edge and plan.wanted(record)
            if wants and found.take(record, wanted):
                return found
        if block is not None and (plan.stopped or time.monotonic() > deadline):
            found.reached = first if newest_first else block.last
            return found
    piece.segment.passed_over(found.damaged)
    return found


def texts(
    plan: Plan, piece: Piece, told: Callable[[Block, int], bool] | None = None
) -> Iterator[tuple[Block | None, int, bytes]]:
    """Blocks worth reading, in order, each with the offset it begins at and its text.

    What is `told` without reading is not read. Where a file does not tell its blocks,
    all of it is one. A file that cannot be read holds nothing, and that is said.
    """
    segment = piece.segment
    try:
        with segment.opened() as file:
            if plan.words and not plan.may_say(file.words()):
                return
            known = piece.known if file.plain else None
            blocks = segment.blocks(file, plan.decode) if known is None else known
            if blocks is None:
                if piece.start == 0:
                    yield None, segment.first, b"".join(text for _, text in file.every())
                return
            firsts = _firsts(segment.first, blocks)
            chosen = list(zip(blocks, firsts, strict=True))[piece.start : piece.end]
            for block, first in reversed(chosen) if plan.query.newest_first else chosen:
                if not plan.may_hold(block, first):
                    continue
                if told is None or not told(block, first):
                    yield block, first, file.text(block.at, block.length)
    except FileNotFoundError:  # removed by retention
        return
    except OSError as exc:
        _log.error(
            "a file of the store cannot be read",
            extra={"file": segment.path.name, "reason": exc.strerror},
        )


def _firsts(first: int, blocks: list[Block]) -> list[int]:
    """An offset that each block begins at or after."""
    ends = accumulate((block.last + 1 for block in blocks[:-1]), max, initial=first)
    return list(ends)
