"""Text to settings: one pure function. Every problem is told at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import voluptuous as vol

from towline.config.compound import checked
from towline.config.crosscheck import crosscheck
from towline.config.environment import Names, Overrides, complete
from towline.config.faults import Fault
from towline.config.kinds import Kinds
from towline.config.schema import schema
from towline.config.settings import Settings, Store, Upkeep
from towline.config.tags import Read, Secrets, env_var, nothing
from towline.config.text import read_text
from towline.config.tree import UNREAD, Tree, parse
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
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
    overrides: Overrides = _NO_OVERRIDES,
    read: Read = nothing,
    host_name: str = "towline",
) -> Settings:
    """Settings of a file's text, or `ConfigError` with every problem. None: there is no file.

    `folder` is the configuration folder, above which no secrets are looked for (default: the
    file's own). `read` gives the content of a file beside it.
    """
    own = file.parent if file else Path()
    secrets = Secrets(read, own, folder or own)
    tree = _tree(text, str(file or ""), {"!secret": secrets, "!env_var": env_var(environment)})
    problems = [*tree.problems, *secrets.problems]
    if not isinstance(tree.data, dict):
        wanted = "expected a mapping that begins with version: 1"
        raise ConfigError([*problems, tree.problem("wrong_value", wanted, ())])
    data, names = complete(tree.data, environment, overrides, host_name)
    found, faults = checked(schema(sources, backends), data)
    faults += crosscheck(data, found, sources, backends)
    faults = [fault for fault in faults if not _is_unread(data, fault.path)]
    problems += [_problem(tree, names, fault) for fault in faults[:MOST_PROBLEMS]]
    if problems:
        raise ConfigError(sorted(problems, key=_order)[:MOST_PROBLEMS])
    return _settings(found)


def _tree(text: bytes | str | None, file: str, tags: Mapping[str, Any]) -> Tree:
    return parse(read_text(_NO_FILE if text is None else text, file), tags)


def _is_unread(data: Any, path: Iterable[Any]) -> bool:
    """Whether a fault is about a value that could not be read: of that the tree has spoken."""
    for step in path:
        if not isinstance(data, dict | list):
            break
        try:
            data = data[step]
        except (LookupError, TypeError):
            return False
    return data is UNREAD or (isinstance(data, list) and UNREAD in data)


def _problem(tree: Tree, names: Names, fault: vol.Invalid) -> Problem:
    path = tuple(fault.path)
    code, hint, at_key = "wrong_value", "", False
    if isinstance(fault, Fault):
        code, hint, at_key = fault.code, fault.hint, fault.at_key
    said = next((names[path[:end]] for end in range(len(path), 0, -1) if path[:end] in names), None)
    if said is None:
        return tree.problem(code, str(fault.msg), path, hint=hint, at_key=at_key)
    return Problem(
        code=code, text=f"{said.name}: {fault.msg}", path=path, source=said.source, hint=hint
    )


def _order(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


def _settings(found: dict[str, Any]) -> Settings:
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
        ),
        brokers=found["brokers"],
        backends=found["backends"],
        routes=found["routes"],
        api=found["api"],
        probation=found["apply"]["watch"],
    )
