"""Rooms may only look downwards. This test is the rule, and its table is the documentation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "towline"

SHARED = {"errors", "ports", "record", "status", "trouble"}
CORE = SHARED | {"config", "pipeline"}
STORED = CORE | {"store", "tls"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "record": set(),
    "process": set(),
    "status": set(),
    "trouble": set(),
    "ports": {"record"},
    "config": SHARED,
    "tls": {"config"},
    "pipeline": SHARED | {"config"},
    "store": CORE,
    "broker": SHARED | {"config", "tls"},
    "actions": SHARED | {"config", "broker", "own_log", "tls"},
    "delivery": STORED,
    "live": STORED,
    "alerts": STORED | {"broker", "actions", "own_log"},
    "sources": STORED | {"broker"},
    "backends": SHARED | {"config", "tls", "broker"},
    "homeassistant": STORED | {"broker"},
    "audit": SHARED,
    "subscriptions": STORED | {"broker", "actions"},
    "runtime": STORED
    | {"broker", "delivery", "alerts", "gitops", "homeassistant", "subscriptions"},
    "api": STORED | {"broker", "delivery", "live", "runtime"},
    "gitops": SHARED | {"config", "own_log"},
    "own_log": SHARED,
    "client": SHARED,
    "kinds": {"config", "sources", "backends"},
    "commands": STORED | {"audit", "broker", "client", "kinds", "runtime"},
    "parts": {"*"},
    "app": {"*"},
    "library": {"*"},
    "cli": {"*"},
    "__main__": {"cli"},
}


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("towline."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("towline."):
                    yield name.name.split(".")[1]


def modules(room: str) -> list[Path]:
    if (ROOT / room).is_dir():
        return sorted((ROOT / room).rglob("*.py"))
    return [ROOT / f"{room}.py"]


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_looks_only_downwards(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room}
    found = {other for module in modules(room) if module.exists() for other in imported(module)}
    assert "*" in allowed or found <= allowed, f"{room} must not look at {found - allowed}"


def test_every_room_is_in_the_table() -> None:
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or _is_room(path)}
    assert rooms - {"__init__"} <= MAY_IMPORT.keys()


def _is_room(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*.py"))


def test_no_two_rooms_look_at_each_other() -> None:
    edges = {
        (room, other)
        for room in MAY_IMPORT
        for module in modules(room)
        if module.exists()
        for other in imported(module)
        if other != room
    }
    assert not {(a, b) for a, b in edges if (b, a) in edges}


def test_only_the_program_and_the_command_line_read_the_environment() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    ]
    assert set(readers) <= {"app.py", "cli.py"}
