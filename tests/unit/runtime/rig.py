"""Components that keep a diary, for the tests of this room."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

from towline.runtime.diff import Spec


@dataclass(frozen=True)
class Wanted:
    value: str = "1"
    fails: bool = False
    crashes: int = 0


@dataclass
class Diary:
    lines: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    written: asyncio.Event = field(default_factory=asyncio.Event)
    crashed: dict[str, int] = field(default_factory=dict)

    def note(self, line: str) -> None:
        self.lines.append(line)
        self.written.set()

    async def has(self, line: str) -> None:
        while line not in self.lines:
            self.written.clear()
            await asyncio.wait_for(self.written.wait(), 5)

    def build(self, spec: Spec, lookup: Any) -> Part:
        return Part(spec, self, lookup)


class Part:
    def __init__(self, spec: Spec, diary: Diary, lookup: Any) -> None:
        assert isinstance(spec.config, Wanted)
        self.spec, self.diary, self.lookup = spec, diary, lookup
        self.wanted = spec.config
        self.drained = asyncio.Event()

    def note(self, verb: str) -> None:
        self.diary.note(f"{verb} {self.spec.key}={self.wanted.value}")

    async def __aenter__(self) -> Self:
        if self.wanted.fails or self.spec.claims & self.diary.taken:
            raise OSError("in use")
        self.diary.taken |= self.spec.claims
        self.found = {key: self.lookup(key) for key in self.spec.needs}
        self.note("open")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.diary.taken -= self.spec.claims
        self.note("close")

    def drain(self) -> None:
        self.note("drain")
        self.drained.set()

    async def run(self) -> None:
        self.note("run")
        before = self.diary.crashed.get(self.spec.key, 0)
        if before < self.wanted.crashes:
            self.diary.crashed[self.spec.key] = before + 1
            raise OSError("fell over")
        await self.drained.wait()
