"""YAML text to plain data, remembering where every key and value was written, in one pass.

Built straight from the parser's events with a stack of our own. libyaml's composer recurses and
dies of a deep document, so depth, nodes and aliases are bounded before anything is composed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import yaml

from towline.config.faults import Fault
from towline.config.places import UNREAD, Path, Place, Spot, Tree
from towline.config.scalars import plain_value
from towline.config.syntax import syntax_problem
from towline.config.text import Text
from towline.errors import ConfigError, Problem

Tag = Callable[[str, Spot], Any]
"""What a tag makes of its words; a `Tree` is grafted; raises `Fault` when it cannot."""

MOST_DEPTH: Final = 64
MOST_NODES: Final = 100_000
MOST_ALIASES: Final = 100
MOST_MERGES: Final = 20
MOST_PROBLEMS: Final = 100
LONGEST_KEY: Final = 256

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS: Final = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}


@dataclass(slots=True)
class Budget:
    """What the files of one configuration hold together; `spent` says which bound was passed."""

    nodes: int = 0
    octets: int = 0
    files: int = 0
    spent: str = ""


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read."""

    data: Any
    place: Place
    path: Path
    anchor: str | None
    before: int
    key: str | None = None
    key_place: tuple[int, int] = (1, 1)
    merges: list[tuple[Any, Place | None]] | None = None


def parse(
    text: Text, tags: Mapping[str, Tag], *, at: Path = (), budget: Budget | None = None
) -> Tree:
    """Read one YAML document; `ConfigError` where nothing can be made of the text.

    `at` is where its data will stand; `budget` counts all that is read for one configuration.
    """
    builder = _Builder(text, tags, at, budget or Budget())
    try:
        for event in events(text):
            builder.take(event)
    except yaml.YAMLError as exc:
        raise ConfigError([*builder.problems, syntax_problem(text, exc)]) from exc
    return Tree(builder.data, builder.root, tuple(builder.problems))


def events(text: Text) -> Iterator[yaml.Event]:
    """What the parser says of a text, one by one; `yaml.YAMLError` where it is no YAML."""
    yield from yaml.parse(text.content, Loader=_LOADER)


class _Builder:
    """Takes events one by one. What can be told and passed over is collected in `problems`."""

    def __init__(self, text: Text, tags: Mapping[str, Tag], at: Path, budget: Budget) -> None:
        self._text = text
        self._tags = tags
        self._at = at
        self._budget = budget
        self.problems: list[Problem] = []
        self.data: Any = None
        self.root = Place(text, (1, 1), (1, 1))
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._aliases = self._merges = self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """The next event; `ConfigError` when reading cannot go on."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._give_up(event, "documents", "a second document; one file holds one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        frame = self._stack[-1] if self._stack else None
        if frame and isinstance(frame.data, dict) and frame.key is None:
            self._key(frame, event)
            return
        before, place = self._budget.nodes, self._placed(event)
        value = self._value(event, place)
        if isinstance(value, Tree):
            place = self._graft(value, place)
            value = value.data
        if event.anchor:
            self._anchors[event.anchor] = (value, self._budget.nodes - before + 1)
        self._put(value, place)

    def _graft(self, tree: Tree, here: Place) -> Place:
        """The place of what another file holds, as the value of a key of this one."""
        for problem in tree.problems:
            self._note(problem)
        root = tree.root
        return Place(root.text, root.value, here.key, root.inner, key_text=self._text)

    def _key(self, frame: _Frame, event: yaml.ScalarEvent) -> None:
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            self._give_up(event, "bad_key", "a key cannot have a tag")
        if len(event.value) > LONGEST_KEY:
            self._give_up(event, "bad_key", f"a key of more than {LONGEST_KEY} characters")
        frame.key = event.value
        frame.key_place = _at(event)
        if event.anchor:
            self._anchors[event.anchor] = (event.value, 1)

    def _value(self, event: yaml.ScalarEvent, place: Place) -> Any:
        if event.tag in _PLAIN_TAGS or event.tag == "!":
            return event.value
        if event.tag is None:
            return plain_value(event.value) if event.implicit[0] else event.value
        try:
            tag = self._tags.get(event.tag, self._refuse(event))
            return tag(event.value, Spot(self._path(), place))
        except Fault as fault:
            self._tell(_at(event), fault)
            return UNREAD

    def _alias(self, event: yaml.AliasEvent) -> None:
        self._aliases += 1
        frame = self._stack[-1] if self._stack else None
        if frame and isinstance(frame.data, dict) and frame.key is None:
            self._give_up(event, "bad_key", "an alias cannot be a key")
        if self._aliases > MOST_ALIASES:
            self._give_up(event, "too_much", f"more than {MOST_ALIASES} aliases")
        found = self._anchors.get(str(event.anchor))
        if found is None:
            self._give_up(event, "unknown_alias", f"the anchor &{event.anchor} is not above")
        value, nodes = found
        self._count(event, nodes)
        self._put(value, self._placed(event))

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        self._count(event, 1)
        frame = self._stack[-1] if self._stack else None
        if frame and isinstance(frame.data, dict) and frame.key is None:
            hint = "put text that begins with { or [ in quotes"
            self._give_up(event, "bad_key", "a key must be text", hint=hint)
        if len(self._at) + len(self._stack) >= MOST_DEPTH:
            self._give_up(event, "too_deep", f"more than {MOST_DEPTH} levels deep")
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            self._tell(_at(event), Fault("unknown_tag", f"the tag {_tag(event)} needs a text"))
        data: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        place, path = self._placed(event), self._path()
        place.inner = {}
        self._stack.append(_Frame(data, place, path, event.anchor, self._budget.nodes - 1))

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.merges:
            self._merge(frame)
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.data, self._budget.nodes - frame.before)
        self._put(frame.data, frame.place)

    def _put(self, value: Any, place: Place) -> None:
        """A value is whole: into the list or mapping that is open."""
        if not self._stack:
            self.data, self.root = value, place
            return
        frame = self._stack[-1]
        inner = frame.place.inner
        if inner is None:
            raise AssertionError("an open list or mapping has places")
        if isinstance(frame.data, list):
            inner[len(frame.data)] = place
            frame.data.append(value)
            return
        key, frame.key = str(frame.key), None
        if key in inner:
            line = inner[key].key[0]
            wanted = f"repeated key {key!r}; it stands in line {line} already"
            self._note(self._problem(place.key, "repeated_key", wanted, (key,)))
            return
        inner[key] = place
        if key == "<<":
            several, within = isinstance(value, list), place.inner or {}
            listed = [(item, within.get(at)) for at, item in enumerate(value if several else ())]
            frame.merges = listed if several else [(value, place)]
        else:
            frame.data[key] = value

    def _merge(self, frame: _Frame) -> None:
        """`<<`: keys of other mappings that this one does not have; the first one wins."""
        merges, inner = frame.merges or [], frame.place.inner or {}
        where = inner["<<"].key
        self._merges += len(merges)
        if self._merges > MOST_MERGES:
            wanted = f"more than {MOST_MERGES} merges"
            raise ConfigError([*self.problems, self._problem(where, "too_much", wanted)])
        for merged, place in merges:
            if not isinstance(merged, dict):
                if merged is not UNREAD:
                    self._note(self._problem(where, "bad_merge", "<< takes mappings only"))
                continue
            within = (place.inner if place else None) or {}
            for key, value in merged.items():
                if frame.data.setdefault(key, value) is value:
                    inner.setdefault(key, within.get(key) or Place(self._text, where, where))

    def _path(self) -> Path:
        if not self._stack:
            return self._at
        frame = self._stack[-1]
        step = len(frame.data) if isinstance(frame.data, list) else frame.key
        return (*frame.path, step)

    def _placed(self, event: yaml.Event) -> Place:
        at = _at(event)
        frame = self._stack[-1] if self._stack else None
        return Place(self._text, at, frame.key_place if frame and frame.key is not None else at)

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._budget.nodes += nodes
        if self._budget.nodes > MOST_NODES:
            self._budget.spent = f"more than {MOST_NODES} values"
        if self._budget.spent:
            self._give_up(event, "too_much", self._budget.spent)

    def _refuse(self, event: yaml.ScalarEvent) -> Tag:
        known = sorted(self._tags)
        text = f"unknown tag {_tag(event)}; one of: {', '.join(known) or 'none'}"

        def refuse(_: str, __: Spot) -> Any:
            raise Fault("unknown_tag", text, word=event.tag, known=known)

        return refuse

    def _note(self, problem: Problem) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def _tell(self, place: tuple[int, int], fault: Fault) -> None:
        if len(self.problems) < MOST_PROBLEMS:  # nearest words are costly and nobody reads more
            told = self._problem(place, fault.code, str(fault.msg), hint=fault.hint)
            self.problems.append(told)

    def _problem(
        self,
        place: tuple[int, int],
        code: str,
        text: str,
        below: Path = (),
        *,
        hint: str = "",
    ) -> Problem:
        path = (*self._stack[-1].path, *below) if below and self._stack else self._path()
        return self._text.problem(code, text, place, path=path, hint=hint)

    def _give_up(self, event: yaml.Event, code: str, text: str, *, hint: str = "") -> NoReturn:
        raise ConfigError([*self.problems, self._problem(_at(event), code, text, hint=hint)])


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> str:
    return str(event.tag).replace("tag:yaml.org,2002:", "!!")
