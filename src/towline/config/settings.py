"""What a configuration says, as frozen values. After `load` nobody parses strings.

No field has a default here: defaults live in the schema, once.
Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from towline.errors import Problem

if TYPE_CHECKING:
    from towline.config.alerts import Alert
    from towline.config.brokers import Broker
    from towline.config.git import GitSettings
    from towline.config.homeassistant import HomeAssistant
    from towline.config.pipeline import Pipeline
    from towline.config.requests import Requests
    from towline.config.state import State
    from towline.config.subscriptions import Subscription


class Secret(str):
    """A text that is never shown: whoever reads it as a text gets `***`, also as JSON.

    Equal secrets are equal, so that a changed one is seen. It cannot be pickled.
    """

    __slots__ = ("_value",)
    _value: str

    def __new__(cls, value: str) -> Self:
        """Hide a text; an empty one stays empty, and a secret the same secret."""
        found = value.reveal() if isinstance(value, Secret) else value
        made = super().__new__(cls, "***" if found else "")
        made._value = found
        return made

    def reveal(self) -> str:
        """The real value, for the one place that sends it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == (other._value if isinstance(other, Secret) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memory: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """This Towline."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The one match language. Every given key must hold; a key holds if one of its values does.

    Empty tuples and empty texts mean the key was not given. Names are shell patterns.
    """

    name: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    app: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    stream: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    min_level: str = ""
    regex: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    negated: Match | None = None
    alternatives: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What cannot change while the store is open."""

    path: Path
    persist: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """A rule of retention: records that match may grow this old."""

    match: Match
    max_age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """How the store is kept; may change at any time.

    The first of `rules` that matches says how old a record may grow, else `max_age` does.
    `min_free` are bytes that stay free on the disk.
    """

    memory: int
    flush: float
    max_file_size: int
    compression: str
    max_age: float
    max_size: int
    min_free: int
    rules: tuple[Keep, ...]

    @property
    def longest_age(self) -> float:
        """How old any record may grow."""
        return max([self.max_age, *(rule.max_age for rule in self.rules)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which records go to which backends; `final` ends the search."""

    match: Match
    to: tuple[str, ...]
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token: SHA-256 of its text in hexadecimal, and what it may do."""

    name: str
    hash: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where the API listens and who may use it."""

    host: str
    port: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A source or a backend as written: its kind's name and its kind's own frozen settings."""

    type: str
    config: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The line of a case and what wrote it; an empty text was not given."""

    message: str
    level: str
    stream: str
    name: str
    service: str
    project: str
    app: str
    container: str
    image: str
    source: str
    labels: tuple[tuple[str, str], ...]
    event: str
    exit_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come of the line. `to` holds all its backends; what is empty is not asked for.

    `dropped`: whether a step takes the line out.
    """

    to: tuple[str, ...] | None
    not_to: tuple[str, ...]
    level: str
    message: str | None
    fields: tuple[tuple[str, str], ...]
    alerts: tuple[str, ...] | None
    dropped: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of `tests:`, and where it was written."""

    name: str
    given: Given
    expect: Expected
    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration. `probation`: seconds after which a change is in force for good.

    `git`: the repository that is followed. `secrets` are the values that tags gave, so that nothing
    made of them is shown. `warnings`: what is odd in the text and yet can be used.
    """

    device: Device
    sources: Mapping[str, Entry] = field(hash=False)
    pipeline: Pipeline
    store: Store
    upkeep: Upkeep
    brokers: Mapping[str, Broker] = field(hash=False)
    backends: Mapping[str, Entry] = field(hash=False)
    routes: tuple[Route, ...]
    alerts: Mapping[str, Alert] = field(hash=False)
    subscriptions: Mapping[str, Subscription] = field(hash=False)
    requests: Requests
    homeassistant: HomeAssistant
    state: State
    api: Api
    probation: float
    git: GitSettings | None
    tests: tuple[Case, ...]
    secrets: frozenset[Secret] = field(repr=False, compare=False)
    warnings: tuple[Problem, ...] = field(repr=False, compare=False)
