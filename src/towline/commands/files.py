"""The configuration files that commands are given, and what they say when one is at fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from towline.config.files import Files
from towline.config.load import load
from towline.config.problems import as_annotations, as_json, as_text
from towline.config.settings import Settings
from towline.errors import ConfigError, Problem
from towline.kinds import BACKENDS, SOURCES


def text_of(file: Path) -> bytes:
    """What a file holds; `ConfigError` when it cannot be read."""
    return _read(Files(), file)


def settings_of(
    file: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    *,
    place: Path | None = None,
) -> Settings:
    """What a file says; `ConfigError` with every problem. Nothing but files is looked at.

    `folder` is the configuration folder around it. With `place` it is read as if it stood there.
    """
    files = Files()
    text = _read(files, file)
    return load(
        text,
        SOURCES,
        BACKENDS,
        file=place or file,
        folder=folder,
        environment=environment,
        read=files,
    )


def _read(files: Files, file: Path) -> bytes:
    text = files.read(file)
    if text is None:
        told = Problem(code="missing_file", text="there is no such file", file=str(file))
        raise ConfigError([told])
    return text


def told(problems: Sequence[Problem], form: str) -> str:
    """Problems as `text` for people, `json` for programs, `ci` for a code review."""
    if form == "json":
        answer = {"valid": False, "problems": as_json(problems)}
        return json.dumps(answer, indent=2, ensure_ascii=False)
    return as_annotations(problems) if form == "ci" else as_text(problems)
