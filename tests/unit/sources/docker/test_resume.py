"""Whatever crashes when: each row reaches the store once, in order, or a gap is said."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.sources.docker.docker_log import DockerLog
from tests.unit.sources.docker.rows import row
from towline.errors import SourceError
from towline.pipeline.multiline import Multiline
from towline.record import Line, Origin, OriginType
from towline.sources.docker.catchup import CatchUp
from towline.sources.docker.history import History
from towline.sources.docker.position import Position
from towline.store.checkpoints import Checkpoint
from towline.store.tails import Tail

ORIGIN = Origin(type=OriginType.CONTAINER, name="web", device="pi", container_id="id")


def tail_of(lines: list[Line]) -> Tail | None:
    tail = Tail(0)
    for line in lines:
        tail = tail.then(seq=line.seq, time=end_of(line), stderr=line.stderr, system=line.system)
    return tail if lines else None


def end_of(line: Line) -> str:
    """The time of the last of the lines that it is made of."""
    extra = json.loads("{" + line.extra.lstrip(",") + "}")
    return str(extra.get("until", line.time))


def written(lines: list[Line], stderr: bool) -> bytes:
    """The bytes of one stream that these lines are made of."""
    texts = (
        line.text if "partial" in line.extra else line.text + "\n"
        for line in lines
        if line.stderr == stderr and not line.system
    )
    return "".join(texts).encode()


class Crashes(RuleBasedStateMachine):
    """A container writes, Towline reads and dies, the store loses what was not synced."""

    def __init__(self) -> None:
        super().__init__()
        self.log = DockerLog()
        self.all: list[bytes] = []
        self.store: list[Line] = []
        self.point: Checkpoint | None = None
        self.synced = 0
        self.clock = 0
        self.begun: dict[bool, int] = {}
        self.flushed = False
        self.start()

    def start(self) -> None:
        self.position = Position(
            "engine", "id", terminal=False, checkpoint=self.point, tail=tail_of(self.store)
        )
        self.read_on()

    def read_on(self) -> None:
        history = History(self.log.open, terminal=False)
        self.catch_up = CatchUp(self.position, history, self.deliver, filters_since=False)

    def deliver(self, lines: list[Line]) -> None:
        self.store += lines

    def held(self) -> int:
        """The first row that is not handed on to the store."""
        return 0

    def run(self) -> None:
        async def once() -> None:
            with suppress(SourceError):
                await self.catch_up()
            self.catch_up.end()

        asyncio.run(once())

    @rule(
        text=st.sampled_from([b"a", b"b\n", b"\n", b"long", b"end\n"]),
        stderr=st.booleans(),
        back=st.booleans(),
    )
    def write(self, text: bytes, stderr: bool, back: bool) -> None:
        """One row more: times run backwards now and then, parts of a line share the first one's."""
        self.put(text, stderr, back=back)

    def put(self, text: bytes, stderr: bool, *, back: bool = False) -> None:
        self.clock += 10_000_000
        now = self.clock - (15_000_001 if back else 0)
        ns = self.begun.pop(stderr, max(0, now))
        if not text.endswith(b"\n"):
            self.begun[stderr] = ns
        self.all.append(row(text, ns=ns, stderr=stderr))
        self.log.rows.append(self.all[-1])

    @rule()
    def read(self) -> None:
        self.run()

    @rule(rows=st.integers(min_value=0, max_value=9))
    def read_until_the_connection_breaks(self, rows: int) -> None:
        self.log.break_after = rows
        self.run()

    @rule()
    def flush(self) -> None:
        """Nothing came for a second."""
        self.flushed = True
        self.deliver(self.position.lines.flush())

    @rule()
    def save(self) -> None:
        """The store is synced, then a checkpoint is written."""
        self.synced = len(self.store)
        self.point = self.position.checkpoint(self.held()) or self.point

    @rule(lost=st.integers(min_value=0, max_value=20))
    def crash(self, lost: int) -> None:
        """kill -9, or a power cut that takes what was not synced."""
        del self.store[max(self.synced, len(self.store) - lost) :]
        self.start()

    @rule()
    def reload(self) -> None:
        """The next reader in the same process gets what is known now."""
        self.point, tail = self.position.checkpoint() or self.point, self.position.tail()
        self.synced = len(self.store)
        if tail is not None:
            self.position = Position(
                "engine", "id", terminal=False, checkpoint=self.point, tail=tail
            )
            self.read_on()

    @invariant()
    def what_is_stored_was_written_in_this_order(self) -> None:
        for stderr in (False, True):
            whole = b"".join(each[39:] for each in self.all if (each[0] == 2) == stderr)
            assert whole.startswith(written(self.store, stderr))
        seqs = [line.seq for line in self.store]
        assert len(set(seqs)) == len(seqs)
        assert self.flushed or seqs == sorted(seqs)

    def teardown(self) -> None:
        self.run()
        self.run()
        self.deliver(self.position.lines.flush())
        for stderr in (False, True):
            whole = b"".join(each[39:] for each in self.all if (each[0] == 2) == stderr)
            assert written(self.store, stderr) == whole
        assert not any(line.system for line in self.store)


class CrashesUnderRotation(Crashes):
    """The same without power cuts, and Docker drops rows that the store has."""

    @precondition(lambda self: self.store)
    @rule()
    def rotate(self) -> None:
        last = self.store[-1]
        for index, each in enumerate(self.log.rows):
            if (each[8:38].decode(), each[0] == 2, each[-1:]) == (end_of(last), last.stderr, b"\n"):
                if all(self.stored(index, stderr) for stderr in (False, True)):
                    del self.log.rows[:index]
                return

    def stored(self, rows: int, stderr: bool) -> bool:
        gone = self.all[: len(self.all) - len(self.log.rows) + rows]
        dropped = b"".join(each[39:] for each in gone if (each[0] == 2) == stderr)
        return len(dropped) <= len(written(self.store, stderr))

    @rule()
    def crash(self, lost: int = 0) -> None:
        self.start()

    def flush(self) -> None:
        """Never: what was flushed and rotated away cannot be joined again."""


class Joined(Crashes):
    """The same where lines that may become one record are held back, and some are dropped."""

    def start(self) -> None:
        self.now = 0.0
        self.steps = Multiline(clock=lambda: self.now)
        self.flushed = True  # what is held back comes after younger rows of the other stream
        super().start()

    def deliver(self, lines: list[Line]) -> None:
        self.store += self.steps(ORIGIN, lines)

    def held(self) -> int:
        return self.steps.held(lambda origin: origin == ORIGIN)

    @rule(
        text=st.sampled_from([b"Traceback (most recent call last):\n", b"  in\n", b"E: x\n"]),
        stderr=st.booleans(),
    )
    def write(self, text: bytes, stderr: bool) -> None:
        self.put(text, stderr)

    @rule(stderr=st.booleans())
    def write_half(self, stderr: bool) -> None:
        self.put(b"%d" % self.clock, stderr)

    @rule()
    def wait(self) -> None:
        """Nothing came for a second."""
        self.now += 1
        for _, lines in self.steps.release():
            self.store += lines

    @rule()
    def reload(self) -> None:
        for _, lines in self.steps.release(everything=True):
            self.store += lines
        super().reload()

    def teardown(self) -> None:
        self.run()
        self.run()
        self.deliver(self.position.lines.flush())
        for _, lines in self.steps.release(everything=True):
            self.store += lines
        super().teardown()


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

TestCrashesUnderRotation = CrashesUnderRotation.TestCase
TestCrashesUnderRotation.settings = TestCrashes.settings

TestJoined = Joined.TestCase
TestJoined.settings = TestCrashes.settings
