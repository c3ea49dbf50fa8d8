"""`towline test`: the cases of files, run through the files that hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.commands.files import settings_of
from towline.commands.rows import visible
from towline.config.problems import as_annotations, as_json, as_text
from towline.config.settings import Given
from towline.config.trials import NAMES
from towline.errors import ConfigError, Problem
from towline.runtime.cases import Miss, Verdict, run_cases
from towline.runtime.cases import as_text as written


@dataclass(frozen=True, slots=True)
class Ran:
    """A file's cases and how they ended, or why it has none that could be run."""

    verdicts: tuple[Verdict, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def failed(self) -> list[Verdict]:
        """The cases of which an expectation was not met."""
        return [verdict for verdict in self.verdicts if not verdict.passed]


def ran(file: Path, environment: Mapping[str, str], folder: Path | None = None) -> Ran:
    """Run the cases of a file. Nothing is opened but files."""
    try:
        return Ran(verdicts=tuple(run_cases(settings_of(file, environment, folder))))
    except ConfigError as exc:
        return Ran(problems=exc.problems)


def exit_code(found: Mapping[Path, Ran]) -> int:
    """0: all passed, 1: some failed, 2: a file is not valid."""
    if any(each.problems for each in found.values()):
        return 2
    return 1 if any(each.failed for each in found.values()) else 0


def report(found: Mapping[Path, Ran], form: str) -> str:
    """What `test` prints: `text` for people, `json` for programs, `ci` for a code review."""
    if form == "json":
        return json.dumps(_as_json(found), indent=2, ensure_ascii=False)
    if form == "ci":
        return as_annotations([told for each in found.values() for told in _problems(each)])
    blocks = []
    for file, each in found.items():
        blocks += [as_text(each.problems)] if each.problems else []
        blocks += [_block(verdict) for verdict in each.failed]
        blocks.append(f"{file}: {_summary(each)}")
    return "\n\n".join(blocks)


def _problems(each: Ran) -> Sequence[Problem]:
    """Failed cases beside their lines, and what is wrong with the file itself."""
    return each.problems or [
        Problem(
            code="test_failed",
            text=f"{verdict.case.name}: {'; '.join(map(_sentence, verdict.misses))}",
            file=verdict.case.file,
            line=verdict.case.line,
            column=verdict.case.column,
        )
        for verdict in each.failed
    ]


def _sentence(miss: Miss) -> str:
    return f"{miss.what}: expected {written(miss.expected)}, came {written(miss.came)}"


def _block(verdict: Verdict) -> str:
    case = verdict.case
    lines = [
        f"{case.file}:{case.line}:{case.column}: {visible(case.name)}",
        f"    given     {_given(case.given)}",
    ]
    for miss in verdict.misses:
        lines.append(f"    expected  {miss.what}: {visible(written(miss.expected))}")
        lines.append(f"    came      {' ' * len(miss.what)}  {visible(written(miss.came))}")
    return "\n".join(lines)


def _given(given: Given) -> str:
    names = [f"{key} {value}" for key in NAMES if (value := getattr(given, key))]
    names += ["stderr"] if given.stream == "stderr" else []
    return visible(f"{', '.join(names) or 'a container'}: {given.message}")


def _summary(each: Ran) -> str:
    if each.problems:
        count = len(each.problems)
        return f"not valid, nothing was tested ({count} problem{'s' * (count > 1)})"
    count = len(each.verdicts)
    if not count:
        return "no tests"
    tests = "1 test" if count == 1 else f"{count} tests"
    return f"{tests}, {len(each.failed)} failed" if each.failed else f"{tests} passed"


def _as_json(found: Mapping[Path, Ran]) -> dict[str, Any]:
    problems = [told for each in found.values() for told in each.problems]
    return {
        "passed": exit_code(found) == 0,
        "files": {
            str(file): {
                "valid": not each.problems,
                "tests": len(each.verdicts),
                "failed": len(each.failed),
            }
            for file, each in found.items()
        },
        "tests": [_verdict(verdict) for each in found.values() for verdict in each.verdicts],
        "problems": as_json(problems),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    return {
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "column": case.column,
        "passed": verdict.passed,
        "failures": [
            {"expectation": miss.what, "expected": miss.expected, "came": miss.came}
            for miss in verdict.misses
        ],
    }
