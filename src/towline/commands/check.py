"""`towline check`: whether files are valid, without a look at the world."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from towline.config.files import Files
from towline.config.load import load
from towline.config.problems import as_annotations, as_json, as_text
from towline.errors import ConfigError, Problem
from towline.kinds import BACKENDS, SOURCES


def problems_of(
    file: Path, environment: Mapping[str, str], folder: Path | None = None
) -> tuple[Problem, ...]:
    """Every problem of a file, warnings last. `folder` is the configuration folder around it."""
    files = Files()
    warnings: list[Problem] = []
    try:
        text = files.read(file)
        if text is None:
            return (Problem(code="missing_file", text="there is no such file", file=str(file)),)
        load(
            text,
            SOURCES,
            BACKENDS,
            file=file,
            folder=folder,
            environment=environment,
            read=files,
            warn=warnings.append,
        )
    except ConfigError as exc:
        return (*exc.problems, *warnings)
    return tuple(warnings)


def is_valid(problems: Sequence[Problem]) -> bool:
    """Whether a file with these problems can be used: all of them are warnings."""
    return all(problem.severity == "warning" for problem in problems)


def report(found: Mapping[Path, Sequence[Problem]], form: str) -> str:
    """What `check` prints: `text` for people, `json` for programs, `ci` for a code review."""
    problems = [problem for each in found.values() for problem in each]
    if form == "json":
        valid = {str(file): is_valid(each) for file, each in found.items()}
        answer = {"valid": is_valid(problems), "files": valid, "problems": as_json(problems)}
        return json.dumps(answer, indent=2, ensure_ascii=False)
    if form == "ci":
        return as_annotations(problems)
    parts = [_file(file, each) for file, each in found.items()]
    errors = [problem for problem in problems if problem.severity != "warning"]
    if errors:
        parts.append(_count(len(errors)))
    return "\n".join(parts)


def _file(file: Path, problems: Sequence[Problem]) -> str:
    told = as_text(problems) + "\n" if problems else ""
    if not is_valid(problems):
        return told
    return f"{told}\n{file}: valid" if told else f"{file}: valid"


def _count(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"
