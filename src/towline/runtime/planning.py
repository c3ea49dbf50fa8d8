"""What a text would start, change, stop and leave alone if it stood in the running file's place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from towline.config.kinds import Kinds
from towline.config.settings import Settings
from towline.errors import ConfigError, Problem
from towline.runtime.configuration import Configuration
from towline.runtime.diff import Specs, diff
from towline.runtime.differences import Difference, differences
from towline.runtime.specs import specs

_RESTART: Final = ("path", "persist")


@dataclass(frozen=True, slots=True)
class Change:
    """A component that would be rebuilt: its own settings that differ, and what it needs that
    moves.
    """

    key: str
    settings: tuple[Difference, ...]
    because: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        settings = [each.as_json() for each in self.settings]
        return {"key": self.key, "settings": settings, "because": list(self.because)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What would happen. `restart`: settings for which Towline must be started anew.

    As long as it is not, it refuses the text as a whole.
    """

    added: tuple[str, ...]
    changed: tuple[Change, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    restart: tuple[Difference, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.restart)

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {
            "changes": bool(self),
            "added": list(self.added),
            "changed": [change.as_json() for change in self.changed],
            "removed": list(self.removed),
            "kept": list(self.kept),
            "restart": [each.as_json() for each in self.restart],
        }


def planned(
    running: Specs, present: Settings, wanted: Settings, sources: Kinds, backends: Kinds
) -> Planned:
    """From what runs to what a configuration wants, by the reconciler's own difference."""
    new = specs(wanted, sources, backends)
    plan = diff(running, new)
    moved = plan.starts | plan.removed
    secrets = present.secrets | wanted.secrets
    return Planned(
        added=tuple(sorted(plan.added)),
        changed=tuple(
            Change(
                key,
                differences(running[key], new[key], secrets),
                tuple(sorted(new[key].needs & moved)),
            )
            for key in sorted(plan.changed)
        ),
        removed=tuple(sorted(plan.removed)),
        kept=tuple(sorted(plan.kept)),
        restart=tuple(
            Difference(f"store.{name}", str(before), str(after))
            for name in _RESTART
            if (before := getattr(present.store, name)) != (after := getattr(wanted.store, name))
        ),
    )


async def check(configuration: Configuration, text: bytes, called: str = "") -> tuple[Problem, ...]:
    """Every problem that a text would have in the file's place."""
    try:
        await asyncio.to_thread(configuration.tried, text, called)
    except ConfigError as exc:
        return exc.problems
    return ()


def routing(settings: Settings) -> dict[str, Any]:
    """Backends and routes as plain data, for a preview beside them."""
    return {"backends": list(settings.backends), "routes": msgspec.to_builtins(settings.routes)}
