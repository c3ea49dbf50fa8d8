"""The one match language, compiled: first what is constant for an origin, then what a line adds.

`compile_match(match)` gives a `Matcher`. `matcher.of(origin)` answers True, False, or a test
of a record: callers keep that answer per origin, so a record costs only what depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any, Protocol

import msgspec

from towline.config.settings import Match
from towline.errors import QueryError
from towline.record import RANK, Origin, Record

Test = Callable[[Record], bool]
Verdict = bool | Test


class Streamed(Protocol):
    """What records of one level and stream have in common; a record is one, too."""

    @property
    def level(self) -> str:
        """The level."""

    @property
    def stderr(self) -> bool:
        """Whether it is not stdout."""


_ORIGIN_KEYS = ("name", "service", "project", "app", "image", "device", "source")


class _Refined(msgspec.Struct):
    """The one member that a match on fields reads."""

    fields: dict[str, Any] = {}


_refined = msgspec.json.Decoder(_Refined)


def compile_regex(pattern: str) -> Callable[[str], Any]:
    """A linear-time search (RE2) of a pattern that a user wrote; `QueryError` when it is none.

    google-re2 refuses look-around and back-references, and cannot be made to freeze the process.
    """
    import re2  # imported when a pattern is used: it costs memory that most files never need

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(pattern, options).search  # type: ignore[no-any-return]
    except re2.error as exc:
        reason = exc.args[0].decode() if isinstance(exc.args[0], bytes) else str(exc)
        raise QueryError("bad_regex", f"not a pattern RE2 understands: {reason}") from exc


def _glob(patterns: Iterable[str]) -> Callable[[str], bool]:
    found = re.compile("|".join(translate(pattern) for pattern in patterns)).match
    return lambda text: found(text) is not None


def _negate(verdict: Verdict) -> Verdict:
    if isinstance(verdict, bool):
        return not verdict
    return lambda record: not verdict(record)


def _every(verdicts: Iterable[Verdict]) -> Verdict:
    tests: list[Test] = []
    for verdict in verdicts:
        if verdict is False:
            return False
        if verdict is not True:
            tests.append(verdict)
    if not tests:
        return True
    if len(tests) == 1:
        return tests[0]
    return lambda record: all(test(record) for test in tests)


def _some(verdicts: Iterable[Verdict]) -> Verdict:
    negated = _every(_negate(verdict) for verdict in verdicts)
    return _negate(negated)


class Matcher:
    """A compiled match: `of(origin)` decides as much as the origin alone allows."""

    def __init__(self, match: Match) -> None:
        self._origin_tests = [
            (key, _glob(values)) for key in _ORIGIN_KEYS if (values := getattr(match, key))
        ]
        self._container = _glob(match.container) if match.container else None
        self._labels = [_label_test(text) for text in match.label]
        self._stream = _stream_tests(match)
        self._line = _line_tests(match)
        self._negated = Matcher(match.negated) if match.negated else None
        self._any = [Matcher(item) for item in match.alternatives]

    def of(self, origin: Origin, kind: Streamed | None = None) -> Verdict:
        """True, False, or a test for the origin's records, or for those of a level and stream."""
        if not self._holds(origin):
            return False
        verdicts: list[Verdict] = []
        for test in self._stream:
            verdicts.append(test if kind is None else test(kind))
        verdicts += self._line
        if self._negated:
            verdicts.append(_negate(self._negated.of(origin, kind)))
        if self._any:
            verdicts.append(_some(matcher.of(origin, kind) for matcher in self._any))
        return _every(verdicts)

    def _holds(self, origin: Origin) -> bool:
        for key, test in self._origin_tests:
            if not test(getattr(origin, key) or ""):
                return False
        if self._container and not (
            self._container(origin.container or "") or self._container(origin.container_id or "")
        ):
            return False
        return not self._labels or any(test(origin) for test in self._labels)


def _label_test(text: str) -> Callable[[Origin], bool]:
    name, given, value = text.partition("=")
    fits = _glob([value]) if given else lambda _: True
    return lambda origin: any(key == name and fits(found) for key, found in origin.labels)


def _stream_tests(match: Match) -> list[Callable[[Streamed], bool]]:
    tests: list[Callable[[Streamed], bool]] = []
    if match.level:
        levels = frozenset(match.level)
        tests.append(lambda record: record.level in levels)
    if match.min_level:
        least = RANK[match.min_level]
        tests.append(lambda record: RANK[record.level] >= least)
    if match.stream:
        wanted = {name == "stderr" for name in match.stream}
        tests.append(lambda record: record.stderr in wanted)
    return tests


def _line_tests(match: Match) -> list[Test]:
    tests: list[Test] = []
    if match.regex:
        search = compile_regex(match.regex)
        tests.append(lambda record: search(record.message) is not None)
    if match.fields:
        tests.append(_fields_test(match.fields))
    return tests


def _fields_test(wanted: tuple[tuple[str, str], ...]) -> Test:
    tests = [(name, _glob([value])) for name, value in wanted]

    def test(record: Record) -> bool:
        try:
            fields = _refined.decode(record.json).fields
        except RecursionError:  # nested deeper than anybody asks for
            return False
        return all(name in fields and fits(_text(fields[name])) for name, fits in tests)

    return test


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def compile_match(match: Match) -> Matcher:
    """Compile a match; `QueryError` for a pattern that is none."""
    return Matcher(match)
