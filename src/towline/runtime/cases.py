"""Cases of `tests:` run through the file that holds them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import structs

from towline.config.settings import Case, Expected, Given, Match, Settings
from towline.pipeline.match import compile_match
from towline.record import Line, Origin, OriginType, Record, time_text
from towline.runtime.alarms import Alarms
from towline.runtime.trial import PART, Trial, Tried

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Miss:
    """One expectation that was not met. Both values are plain data, as a file would write them."""

    what: str
    expected: Any
    came: Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a case ended."""

    case: Case
    misses: tuple[Miss, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.misses


def run_cases(settings: Settings) -> Iterator[Verdict]:
    """Every case of a file; none depends on those before it."""
    trial, alarms = Trial(settings), Alarms(settings)
    for case in settings.tests:
        tried = _tried(trial, case.given)
        misses = [*_misses(case.expect, tried), *_unalarmed(case.expect, alarms.of(tried.record))]
        yield Verdict(case, tuple(misses))


def _tried(trial: Trial, given: Given) -> Tried:
    """What comes of a case's line; of several, that of their record where they become one."""
    origin, line = origin_of(given, trial.device), line_of(given)
    trial.forget()
    lines = [structs.replace(line, text=text) for text in given.message.split("\n")]
    *parts, last = trial.many(origin, lines)
    if all(part == PART for part in parts):
        return last
    trial.forget()
    return trial(origin, line)


def origin_of(given: Given, device: str) -> Origin:
    """A container as a case describes it."""
    return Origin(
        type=OriginType.SYSTEM if given.event else OriginType.CONTAINER,
        name=given.name or given.container or given.service or NOTHING,
        device=device,
        app=given.app or None,
        project=given.project or None,
        service=given.service or None,
        container=given.container or None,
        image=given.image or None,
        source=given.source or None,
        labels=given.labels,
    )


def line_of(given: Given) -> Line:
    """Its line, as a source hands one over."""
    return Line(
        text=given.message,
        time=time_text(0),
        timestamp=0,
        stderr=given.stream == "stderr",
        seq=1,
        level=given.level,
        fields=_event(given),
    )


def _event(given: Given) -> str:
    """The fields of a container's event, empty for a line."""
    if not given.event:
        return ""
    code = {} if given.exit_code is None else {"exitCode": given.exit_code}
    return msgspec.json.encode({"event": given.event} | code).decode()


def _unalarmed(expect: Expected, came: tuple[str, ...]) -> Iterator[Miss]:
    """Alerts that must count the record: all of them, and no other."""
    if expect.alerts is not None and set(expect.alerts) != set(came):
        yield Miss("alerts", list(expect.alerts), list(came))


def _misses(expect: Expected, tried: Tried) -> Iterator[Miss]:
    if expect.to is not None and set(expect.to) != set(tried.to):
        yield Miss("to", list(expect.to), list(tried.to))
    unwanted = [name for name in expect.not_to if name in tried.to]
    if unwanted:
        yield Miss("not_to", list(expect.not_to), list(tried.to))
    record = tried.record
    if expect.dropped is not None and expect.dropped != (record is None):
        yield Miss("dropped", expect.dropped, record is None)
    if expect.level and (record is None or record.level != expect.level):
        yield Miss("level", expect.level, record and record.level)
    if expect.message is not None and (record is None or record.message != expect.message):
        yield Miss("message", expect.message, record and record.message)
    for name, pattern in expect.fields:
        if record is None or not _has(record, name, pattern):
            yield Miss(f"fields.{name}", pattern, tried.fields.get(name))


def _has(record: Record, name: str, pattern: str) -> bool:
    """Whether a field is as the match language wants it."""
    verdict = compile_match(Match(fields=((name, pattern),))).of(record.origin)
    return verdict(record) if callable(verdict) else verdict


def as_text(value: object) -> str:
    """A value of a miss for people."""
    if value is None:
        return NOTHING
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
