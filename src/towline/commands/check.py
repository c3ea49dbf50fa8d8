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


def problems_of(file: Path, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Every problem of a file; none where it is valid."""
    files = Files()
    try:
        text = files.read(file)
        if text is None:
            return (Problem(code="missing_file", text="there is no such file", file=str(file)),)
        load(text, SOURCES, BACKENDS, file=file, environment=environment, read=files.read)
    except ConfigError as exc:
        return exc.problems
    return ()


def report(found: Mapping[Path, Sequence[Problem]], form: str) -> str:
    """What `check` prints: `text` for people, `json` for programs, `ci` for a code review."""
    problems = [problem for each in found.values() for problem in each]
    if form == "json":
        valid = {str(file): not each for file, each in found.items()}
        answer = {"valid": not problems, "files": valid, "problems": as_json(problems)}
        return json.dumps(answer, indent=2, ensure_ascii=False)
    if form == "ci":
        return as_annotations(problems)
    parts = [as_text(each) + "\n" if each else f"{file}: valid" for file, each in found.items()]
    if problems:
        parts.append(_count(len(problems)))
    return "\n".join(parts)


def _count(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"
