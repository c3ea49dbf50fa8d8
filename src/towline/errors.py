"""Every error raised on purpose.

TowlineError
├── ConfigError            the author of a file can mend it
├── EditError              a file cannot be edited as asked
├── QueryError             the asker of a query can mend it
├── Overloaded             too much is asked at once: come again, or ask for less
├── StoreError             the data folder cannot be used
├── StartError             a component could not open what it needs
├── RestoreError           a roll-back failed: the process must end
├── DeliveryError          a batch did not arrive
│   ├── Retryable          ...yet: the same batch may be taken later
│   └── Rejected           ...and never will be
├── SourceError            an origin is away: degraded, not crashed
│   ├── NotFound           the container is gone
│   └── Unreadable         the container's log can never be read (driver `none`)
└── ClientError            another Towline was asked in vain
    ├── NoAnswer           nobody is there, or it is no Towline
    └── Declined           it said no
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

E = TypeVar("E", bound=Exception)


class TowlineError(Exception):
    """Base of every error raised on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in a configuration, where its author can find it.

    `line` and `column` count from one. `path` is the way to the value in the YAML tree.
    `source` is the offending line as written; `hint` is the nearest valid word or the remedy.
    `severity` is `error`, or `warning` for what is odd and yet can be used.
    """

    code: str
    text: str
    file: str = ""
    line: int = 1
    column: int = 1
    path: tuple[Hashable, ...] = ()
    source: str = ""
    hint: str = ""
    severity: str = "error"


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}: " if problem.file else ""


class ConfigError(TowlineError):
    """The configuration is at fault and its author can mend it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{_place(p)}{p.text}" for p in problems))
        self.problems = tuple(problems)


class EditError(TowlineError):
    """A configuration cannot be edited: it changed meanwhile, or is not ours to write."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class QueryError(TowlineError):
    """A query, filter or pattern that cannot be understood."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Overloaded(TowlineError):
    """More is asked than can be answered in time; `code` says whether of all or of this one."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class StoreError(TowlineError):
    """The data folder cannot be used: not writable, or held by another Towline."""


class StartError(TowlineError):
    """A component could not open what it needs."""

    def __init__(self, key: str, cause: BaseException) -> None:
        super().__init__(f"{key}: {cause}")
        self.key = key


class RestoreError(TowlineError):
    """A roll-back failed: nothing sound is left to run."""


class DeliveryError(TowlineError):
    """A batch did not arrive."""


class Retryable(DeliveryError):
    """The destination may take the same batch later; `retry_after` in seconds if it said so."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Rejected(DeliveryError):
    """The destination will never take this batch.

    Where it says which records it refused, `positions` names them and the others have arrived.
    """

    def __init__(self, reason: str, *, positions: Sequence[int] = ()) -> None:
        super().__init__(reason)
        self.positions = tuple(positions)


class SourceError(TowlineError):
    """An origin is away; the source is degraded until it is back."""


class NotFound(SourceError):
    """The container does not exist (any more)."""


class Unreadable(SourceError):
    """The container's logging driver does not support reading."""


class ClientError(TowlineError):
    """Another Towline was asked in vain."""


class NoAnswer(ClientError):
    """Nobody answers at the address, or something that is no Towline."""


class Declined(ClientError):
    """A Towline said no: a parameter at fault, a token that is missing or wrong."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def sole(group: BaseExceptionGroup[BaseException], kind: type[E]) -> E | None:
    """The error of a kind, when a task group failed for nothing else.

    For `except BaseExceptionGroup`: what is raised within `except*` comes wrapped in another
    group, depending on the patch level of Python 3.11.
    """
    wanted, others = group.split(kind)
    found: BaseException | None = wanted
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if others is None and isinstance(found, kind) else None
