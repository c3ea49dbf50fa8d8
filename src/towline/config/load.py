"""Text to settings: one pure function. Every problem is told at once, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from towline.config import brokers
from towline.config.compound import checked
from towline.config.crosscheck import crosscheck
from towline.config.doubts import doubtful
from towline.config.environment import Overrides, complete
from towline.config.include import Reading
from towline.config.kinds import Kinds
from towline.config.places import UNREAD, Tree
from towline.config.placing import is_unread, placed
from towline.config.reader import Read, nothing
from towline.config.schema import schema
from towline.config.settings import Case, Secret, Settings, Store, Upkeep
from towline.config.text import read_text
from towline.errors import ConfigError, Problem

MOST_PROBLEMS: Final = 100
_NO_FILE: Final = "version: 1"
_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})
_NO_OVERRIDES: Final = Overrides()


def load(
    text: bytes | str | None,
    sources: Kinds,
    backends: Kinds,
    *,
    file: Path | None = None,
    folder: Path | None = None,
    private: Path | None = None,
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
    overrides: Overrides = _NO_OVERRIDES,
    read: Read = nothing,
    host_name: str = "towline",
    warn: Callable[[Problem], None] = lambda _: None,
    disk_size: Callable[[Path], int | None] = lambda _: None,
) -> Settings:
    """Settings of a file's text, or `ConfigError` with every problem. None: there is no file.

    `folder` is the configuration folder, above which no secrets are looked for and out of which
    nothing is included (default: the file's own); `private` is one more folder for secrets and
    keys, for a configuration that holds none. `read` gives the content of files; a `Files`
    also sees folders, links and rights. `warn` is told what is odd and yet can be used, of a file
    at fault, too; `disk_size` tells how much the disk of a folder holds in all.
    """
    own = file.parent if file else Path()
    warnings: list[Problem] = []

    def note(warning: Problem) -> None:
        warnings.append(warning)
        warn(warning)

    top = folder or own
    if top != own and top not in own.parents:
        own, top = own.absolute(), top.absolute()
    reading = Reading(read, top, environment, note, private)
    tree = reading.tree(read_text(_NO_FILE if text is None else text, str(file or "")), own)
    problems = [*tree.problems, *reading.secrets.problems]
    if not isinstance(tree.data, dict):
        wanted = "expected a mapping that begins with version: 1"
        unread = tree.data is UNREAD and problems
        raise ConfigError(problems if unread else [tree.problem("wrong_value", wanted, ())])
    data, names = complete(tree.data, environment, overrides, host_name)
    found, faults = checked(schema(sources, backends), data)
    faults += crosscheck(data, found, sources, backends)
    faults = [fault for fault in faults if not is_unread(data, fault.path)]
    problems += [placed(tree, names, data, fault) for fault in faults[:MOST_PROBLEMS]]
    sound = found or {}
    odd = chain(
        brokers.doubts(sound.get("brokers", {})), doubtful(sound, sources, backends, disk_size)
    )
    doubts = islice(odd, MOST_PROBLEMS)
    for warning in sorted((placed(tree, names, data, each) for each in doubts), key=_order):
        note(warning)
    if problems:
        raise ConfigError(sorted(problems, key=_order)[:MOST_PROBLEMS])
    found["tests"] = tuple(_placed(tree, at, case) for at, case in enumerate(found["tests"]))
    return _settings(found, frozenset(_secrets(tree.data)), tuple(warnings))


def _placed(tree: Tree, number: int, case: Case) -> Case:
    at = tree.problem("", "", ("tests", number))
    return replace(case, file=at.file, line=at.line, column=at.column)


def _order(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


def _secrets(data: Any) -> Iterator[Secret]:
    """The values that tags hid, wherever they stand."""
    if isinstance(data, Secret):
        yield data
    elif isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _secrets(item)


def _settings(
    found: dict[str, Any], secrets: frozenset[Secret], warnings: tuple[Problem, ...]
) -> Settings:
    store = found["store"]
    retention = store["retention"]
    return Settings(
        device=found["device"],
        sources=found["sources"],
        pipeline=found["pipeline"],
        store=Store(path=store["path"], persist=store["persist"]),
        upkeep=Upkeep(
            memory=store["memory"],
            flush=store["flush"],
            max_file_size=store["max_file_size"],
            compression=store["compression"],
            max_age=retention["max_age"],
            max_size=retention["max_size"],
            min_free=retention["min_free"],
            rules=retention["rules"],
        ),
        brokers=found["brokers"],
        backends=found["backends"],
        routes=found["routes"],
        alerts=found["alerts"],
        subscriptions=found["subscriptions"],
        requests=found["requests"],
        homeassistant=found["homeassistant"],
        state=found["state"],
        api=found["api"],
        probation=found["apply"]["watch"],
        git=found.get("git"),
        tests=found["tests"],
        secrets=secrets,
        warnings=warnings,
    )
