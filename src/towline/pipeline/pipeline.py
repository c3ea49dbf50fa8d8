"""The steps of a configuration in order: redact, multiline, parse, level, drop, limit, encode."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from towline.config.pipeline import Pipeline as PipelineSettings
from towline.pipeline.drop import Drop
from towline.pipeline.encode import encode, template_of
from towline.pipeline.level import level_of
from towline.pipeline.limit import Limits
from towline.pipeline.logfmt import LOOKED_AT, parse_logfmt
from towline.pipeline.multiline import Multiline
from towline.pipeline.parse import parse_json
from towline.pipeline.redact import Redactor
from towline.ports import Whose
from towline.record import Line, Origin, Record


class Pipeline:
    """Turns lines into records; a step costs next to nothing when idle.

    It may hold lines back, or counts that are still to be told: whoever appends asks `due` when
    that must go, and takes it by `release`.
    """

    def __init__(
        self, settings: PipelineSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._json = "json" in settings.parse
        self._logfmt = "logfmt" in settings.parse
        self._redact = Redactor(settings.redact) if settings.redact else None
        patterns = settings.multiline if isinstance(settings.multiline, tuple) else ()
        off = settings.multiline == "off"
        self._multiline = None if off else Multiline(patterns, clock=clock)
        self._drop = Drop(settings.drop) if settings.drop else None
        self._limits = Limits(settings.limits, clock=clock) if settings.limits else None
        self._holding = [step for step in (self._multiline, self._limits) if step]

    @property
    def counters(self) -> Counter[str]:
        """Lines that each step changed or took out."""
        found: Counter[str] = Counter()
        if self._redact:
            found["redacted"] = self._redact.redacted
        if self._multiline:
            found["joined"], found["cut"] = self._multiline.joined, self._multiline.cut
        if self._drop:
            found["dropped"] = self._drop.dropped
        if self._limits:
            found["limited"] = sum(self._limits.above)
            for number, count in enumerate(self._limits.above):
                found[f"limits[{number}]"] = count
        return found

    def refine(self, origin: Origin, lines: list[Line], offset: int) -> list[Record]:
        """Lines of one origin as records, the first at `offset`; some may be held back.

        Redaction comes before any other step looks at the text, so that a secret is gone from the
        message and from the fields alike.
        """
        self.redact(origin, lines)
        return self._finish(origin, self.join(origin, lines), offset)

    def _finish(self, origin: Origin, lines: list[Line], offset: int) -> list[Record]:
        self.tell(lines)
        kept = self.limit(origin, self.keep(origin, lines))
        return encode(template_of(origin), kept, offset)

    def redact(self, origin: Origin, lines: list[Line]) -> None:
        """Blot out what must not leave."""
        if self._redact:
            self._redact(lines, origin)

    def join(self, origin: Origin, lines: list[Line]) -> list[Line]:
        """The lines that are whole with these."""
        return self._multiline(origin, lines) if self._multiline else lines

    def tell(self, lines: list[Line]) -> None:
        """Give whole lines what they tell of themselves: message, fields, level."""
        json, logfmt = self._json, self._logfmt
        for line in lines:
            text = line.text
            if json and text[:1] == "{" and text[-1:] == "}":
                parse_json(line)
            elif logfmt and "=" in text[:LOOKED_AT]:
                parse_logfmt(line)
            if not line.level:
                line.level = level_of(line.text, "error" if line.stderr else "info")

    def keep(self, origin: Origin, lines: list[Line]) -> list[Line]:
        """Those that are not to be dropped."""
        return self._drop(origin, lines) if self._drop else lines

    def limit(self, origin: Origin, lines: list[Line]) -> list[Line]:
        """Those that no limit takes out."""
        return self._limits(origin, lines) if self._limits else lines

    @property
    def holds(self) -> bool:
        """Whether anything is held back."""
        multiline, limits = self._multiline, self._limits  # asked for every batch
        return (multiline is not None and multiline.holds) or (limits is not None and limits.holds)

    def due(self) -> float:
        """When something that is held back must go, by the clock; infinite where nothing is."""
        return min((step.due() for step in self._holding), default=float("inf"))

    def held(self, whose: Whose) -> int:
        """The first row of some origins that is held back; 0 where none is."""
        return self._multiline.held(whose) if self._multiline else 0

    def settle(self, origin: Origin, offset: int) -> list[Record]:
        """What is held back of an origin, as records: no more comes for now."""
        lines = self._multiline.settle(origin) if self._multiline else []
        return self._finish(origin, lines, offset) if lines else []

    def release(self, offset: int, *, everything: bool = False) -> Iterator[list[Record]]:
        """What is due, or everything held back, as records, those of one origin at a time."""
        for origin, lines in self.joined(everything=everything):
            records = self._finish(origin, lines, offset)
            offset += len(records)
            yield records
        if self._limits:
            for origin, lines in self._limits.release(everything=everything):
                records = encode(template_of(origin), lines, offset)
                offset += len(records)
                yield records

    def joined(self, *, everything: bool = False) -> Iterator[tuple[Origin, list[Line]]]:
        """The lines held back that are due, or all of them; not yet what they tell."""
        if self._multiline:
            yield from self._multiline.release(everything=everything)
