"""Tells when a configuration's files have changed.

The folders are watched, not the files: editors, Git checkouts and Kubernetes put another inode
in the old one's place. What counts is content: a touch is no change, a file that is missing for
a moment is none yet, and a file that is still being written is waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from towline.config.files import Fingerprint, Seen, content
from towline.config.folders import Watched, watched

DEBOUNCE: Final = 0.3
POLL: Final = 30.0
PATIENCE: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Files at one moment: do they differ from what was read, did one lose much, their stamps."""

    differs: bool
    has_shrunk: bool
    stamps: tuple[tuple[int, int, int] | None, ...]


async def changes(
    files: Callable[[], Seen],
    stop: asyncio.Event,
    *,
    debounce: float = DEBOUNCE,
    poll: float = POLL,
    patience: float = PATIENCE,
) -> AsyncIterator[None]:
    """Yields whenever the files differ from what `files` says was read last; ends with `stop`.

    Whoever takes a change is expected to read the files again. Network folders send no notices,
    so every `poll` seconds it looks anyway. A file that has lost half of its size must hold still
    for `patience` seconds: most prefixes of a YAML file are valid YAML.
    """
    now: Watched | None = None
    watch: asyncio.Task[None] | None = None
    stirred = asyncio.Event()
    try:
        while not stop.is_set():
            wanted = await asyncio.to_thread(watched, files())
            if wanted != now:
                now = wanted
                await _end(watch)
                watch = asyncio.create_task(_watch(wanted, stirred, debounce))
                await asyncio.sleep(0)  # it watches from its first step on, before we look
            stirred.clear()
            if await _differ(files, stop, debounce=debounce, patience=patience):
                yield
                if now != await asyncio.to_thread(watched, files()):
                    continue
            await _any_of(stirred.wait(), stop.wait(), timeout=poll)
    finally:
        await _end(watch)


async def _watch(wanted: Watched, stirred: asyncio.Event, debounce: float) -> None:
    """Set `stirred` with every notice about the names that matter."""
    if not wanted.folders:
        return
    from watchfiles import awatch  # a library of some megabytes: only a run with a file needs it

    # The watching thread wakes up once per step.
    step = round(debounce * 1000)
    try:
        async for _ in awatch(
            *wanted.folders,
            watch_filter=lambda _, path: wanted.matters(Path(path).name),
            debounce=step,
            step=step,
            rust_timeout=0,
            recursive=False,
            ignore_permission_denied=True,
        ):
            stirred.set()
    except (OSError, RuntimeError) as exc:
        _log.warning(
            "the configuration's folders cannot be watched and are looked at from time to time",
            extra={"reason": str(exc)},
        )


async def _differ(
    files: Callable[[], Seen], stop: asyncio.Event, *, debounce: float, patience: float
) -> bool:
    """Whether the files differ from what was read, said when they hold still."""
    look = await asyncio.to_thread(_look, files())
    while look.differs and not stop.is_set():
        await _any_of(stop.wait(), timeout=patience if look.has_shrunk else debounce)
        before, look = look, await asyncio.to_thread(_look, files())
        if look == before:
            return not stop.is_set()
    return False


def _look(seen: Seen) -> _Look:
    found = [(known, _content(path)) for path, known in seen.items()]
    return _Look(
        differs=any(data is not None and _is_new(known, data) for known, data in found),
        has_shrunk=any(
            data is not None and known is not None and len(data) * 2 <= known.size
            for known, data in found
        ),
        stamps=tuple(_stamp(path) for path in seen),
    )


def _is_new(known: Fingerprint | None, data: bytes) -> bool:
    return known is None or Fingerprint.of(data) != known


def _content(path: Path) -> bytes | None:
    """What is in a file; None when it is missing or cannot be read: that is no change yet."""
    try:
        return content(path)
    except OSError:
        return None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


async def _any_of(*waits: Coroutine[Any, Any, object], timeout: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
