"""Numbered lines that containers write, and the comparison of what was written with what came.

A line is `C<container> <stream> <number> <sum>`: container, stream and number decide its sum and
so its whole text. Nothing has to be remembered to know what must be there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

LONG: Final = 40_000
"""Bytes of a long line: three parts of Docker's."""

_FACTOR: Final = 2_654_435_761
_STEP: Final = 40_503
_MODULUS: Final = 1 << 32

_SCRIPT: Final = """\
pad=$(head -c {pad} /dev/zero | tr '\\0' x)
exec awk -v pad="$pad" 'BEGIN {{
  for (n = {first}; n < {first} + {lines}; n++) {{
    err = ({kind} == 1 && n % 3 == 0)
    sum = (n * {factor} + {id} * {step}) % {modulus}
    if ({kind} == 2 && n % 2) text = "C{id} same"
    else text = sprintf("C{id} %s %d %.0f", err ? "err" : "out", n, sum)
    if ({kind} == 3) text = text " " pad
    if (err) {{ fflush(); print text > "/dev/stderr" }}
    else print text
    if (n == {first} && {wait} > 0) system("sleep {wait}")
    if (n % {every} == 0 && {pause} > 0) system("usleep {pause}")
  }}
}}'
"""
_KINDS: Final = {"plain": 0, "mixed": 1, "same": 2, "long": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """What one container writes.

    `kind`: `plain`; `mixed`, every third line to stderr; `same`, every other line identical;
    `long`, of 40 KB. After `every` lines it pauses for `pause` microseconds, after the first one
    for `wait` seconds.
    """

    id: int
    lines: int
    kind: str = "plain"
    every: int = 40
    pause: int = 20_000
    first: int = 1
    wait: float = 0

    @property
    def name(self) -> str:
        """What its container is called."""
        return f"c{self.id}"

    @property
    def script(self) -> str:
        """The shell script that writes the lines."""
        return _SCRIPT.format(
            id=self.id,
            lines=self.lines,
            first=self.first,
            kind=_KINDS[self.kind],
            every=self.every,
            pause=self.pause,
            wait=self.wait,
            pad=LONG if self.kind == "long" else 0,
            factor=_FACTOR,
            step=_STEP,
            modulus=_MODULUS,
        )

    def text(self, number: int) -> str:
        """The line of a number."""
        if self.kind == "same" and number % 2:
            return f"C{self.id} same"
        stream = "err" if self.stderr(number) else "out"
        total = (number * _FACTOR + self.id * _STEP) % _MODULUS
        pad = " " + "x" * LONG if self.kind == "long" else ""
        return f"C{self.id} {stream} {number} {total}{pad}"

    def stderr(self, number: int) -> bool:
        """Whether that line goes to standard error."""
        return self.kind == "mixed" and number % 3 == 0

    def texts(self, *, stderr: bool) -> list[str]:
        """All lines of one stream, in order."""
        numbers = range(self.first, self.first + self.lines)
        return [self.text(number) for number in numbers if self.stderr(number) == stderr]


@dataclass(slots=True)
class Found:
    """How what came differs from what was written."""

    lost: int = 0
    dup: int = 0
    order: int = 0
    strange: int = 0
    holes: int = 0

    def __iadd__(self, other: Found) -> Found:
        self.lost += other.lost
        self.dup += other.dup
        self.order += other.order
        self.strange += other.strange
        self.holes += other.holes
        return self

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return self == Found()


def compare(wanted: list[str], got: list[str]) -> Found:
    """Every line once and in order: what is missing, there twice, out of order, or no line of it.

    `holes` counts the runs of lines that are missing, identical ones left out.
    """
    if wanted == got:
        return Found()
    written, came = Counter(wanted), Counter(got)
    missing = written - came
    found = Found(
        lost=missing.total(),
        dup=sum(max(0, came[text] - count) for text, count in written.items()),
        strange=sum(count for text, count in came.items() if text not in written),
    )
    places = {text: place for place, text in enumerate(wanted) if written[text] == 1}
    seen = [places[text] for text in dict.fromkeys(got) if text in places]
    found.order = sum(1 for before, after in pairwise(seen) if after < before)
    gone = [text in missing for text in places]
    found.holes = sum(gone[:1]) + sum(1 for before, after in pairwise(gone) if after and not before)
    if found == Found():  # the same lines, with identical ones elsewhere
        found.order = 1
    return found


Record = Mapping[str, Any]


def texts_of(records: Iterable[Record], *, stderr: bool) -> list[str]:
    """The messages of one stream that a container wrote itself, in store order."""
    return [
        str(record["message"])
        for record in records
        if bool(record.get("isStdErr")) == stderr and not record.get("isSystem")
    ]


def gaps_of(records: Iterable[Record]) -> list[Record]:
    """The records that say that lines were lost."""
    return [record for record in records if record.get("gap")]


def compare_all(writers: Iterable[Writer], stored: Mapping[str, list[Record]]) -> Found:
    """Both streams of all writers against what the store has."""
    found = Found()
    for writer in writers:
        for stderr in (False, True):
            records = stored.get(writer.name, [])
            found += compare(writer.texts(stderr=stderr), texts_of(records, stderr=stderr))
    return found
