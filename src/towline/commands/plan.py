"""`towline plan`: what a file would start, change and stop in a running Towline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from towline.client.remote import Remote
from towline.commands.files import text_of
from towline.commands.rows import visible

Plan = Mapping[str, Any]
"""As the API tells it."""


def ask(remote: Remote, file: Path) -> Plan:
    """What the running Towline would do; `ConfigError` when the file is at fault."""
    return remote.put_to_test("config/plan", text_of(file), str(file))


def report(plan: Plan, file: Path, form: str) -> str:
    """What `plan` prints: `text` for people, `json` for programs, `ci` for a code review."""
    if form == "json":
        return json.dumps(plan, indent=2, ensure_ascii=False)
    rows = list(_rows(plan))
    if form == "ci":
        return "\n".join(f"::notice file={file}::{' '.join(row.split())}" for row in rows)
    return visible_lines([*rows, "", _summary(plan)] if rows else [_summary(plan)])


def visible_lines(rows: Iterable[str]) -> str:
    """Rows that cannot steer a terminal."""
    return "\n".join(visible(row) for row in rows)


def _rows(plan: Plan) -> Iterable[str]:
    for each in plan["restart"]:
        yield f"! {_setting(each)}  (needs a restart; until then the whole file is refused)"
    for key in plan["added"]:
        yield f"+ {key}"
    for change in plan["changed"]:
        yield f"~ {change['key']}"
        for each in change["settings"]:
            yield f"    {_setting(each)}"
        for key in change["because"]:
            yield f"    is built again because {key} moves"
    for key in plan["removed"]:
        yield f"- {key}"


def _setting(each: Mapping[str, Any]) -> str:
    name = each["setting"]
    if each.get("secret"):
        return f"{name}: a secret differs"
    before, after = each["before"], each["after"]
    if not before:
        return f"{name}: + {after}"
    return f"{name}: {before} -> {after}" if after else f"{name}: - {before}"


def _summary(plan: Plan) -> str:
    if not plan["changes"]:
        return f"nothing would change ({len(plan['kept'])} components stay as they are)"
    counts = [f"{len(plan[key])} to {word}" for key, word in _WORDS.items() if plan[key]]
    counts = counts or ["nothing to start, change or stop"]
    return f"{', '.join(counts)}; {len(plan['kept'])} stay untouched"


_WORDS = {"added": "start", "changed": "change", "removed": "stop"}
