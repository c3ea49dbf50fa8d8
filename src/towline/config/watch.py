"""Tells when a configuration's files have changed.

The folders are watched, not the files: editors, Git checkouts and Kubernetes put another inode
in the old one's place. What counts is content: a touch is no change, a file that is missing for
a moment is none yet, and a file that is still being written is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from towline.config.files import EVERY, Content, Seen, content, inode, is_being_written
from towline.config.folders import Watched, watched

DEBOUNCE: Final = 0.3
STEP: Final = 0.1
POLL: Final = 30.0
PATIENCE: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Files at one moment: do they differ from what was read, may they yet change, their stamps.

    `rested` is how many seconds ago the last of them was touched, as far as their clock tells.
    """

    differs: bool
    is_doubtful: bool
    stamps: tuple[tuple[int, int, int] | None, ...]
    rested: float


async def changes(
    files: Callable[[], Seen],
    stop: asyncio.Event,
    *,
    debounce: float = DEBOUNCE,
    poll: float = POLL,
    patience: float = PATIENCE,
) -> AsyncIterator[None]:
    """Yields whenever the files differ from what `files` says was read last; ends with `stop`.

    Files must hold still for `debounce` seconds; for `patience` seconds where one is still being
    written, looks like the beginning of a text, or is gone. Whoever takes a change is expected to
    read the files again. Network folders send no notices: every `poll` seconds it looks anyway.
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
                watch = asyncio.create_task(_watch(wanted, stirred, min(STEP, debounce)))
                await asyncio.sleep(0)  # it watches from its first step on, before we look
            if await _differ(files, stirred, stop, debounce=debounce, patience=patience):
                yield
                if now != await asyncio.to_thread(watched, files()):
                    continue
            await _any_of(stirred.wait(), stop.wait(), timeout=poll)
    finally:
        await _end(watch)


async def _watch(wanted: Watched, stirred: asyncio.Event, step: float) -> None:
    """Set `stirred` with every notice about the names that matter."""
    if not wanted.folders:
        return
    from watchfiles import awatch  # a library of some megabytes: only a run with a file needs it

    # The watching thread wakes up once per step, and tells after one or two of them.
    milliseconds = round(step * 1000)
    try:
        async for _ in awatch(
            *wanted.folders,
            watch_filter=lambda _, path: wanted.matters(Path(path).name),
            debounce=milliseconds,
            step=milliseconds,
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
    files: Callable[[], Seen],
    stirred: asyncio.Event,
    stop: asyncio.Event,
    *,
    debounce: float,
    patience: float,
) -> bool:
    """Whether the files differ from what was read, said when they have held still for long enough.

    How long ago they were touched counts in part: no clock but ours is trusted without a second
    look. While in doubt it looks again and again: nobody gives notice when a writer closes a file.
    """
    clock = asyncio.get_running_loop().time
    look: _Look | None = None
    since = 0.0
    while not stop.is_set():
        stirred.clear()
        before, look = look, await asyncio.to_thread(_look, files())
        if not look.differs:
            return False
        if before is None or look.stamps != before.stamps:
            since = clock() - min(max(look.rested, 0.0), debounce * 2 / 3)
        left = since + (patience if look.is_doubtful else debounce) - clock()
        if left <= 0:
            return True
        await _any_of(stirred.wait(), stop.wait(), timeout=min(left, debounce))
    return False


def _look(seen: Seen) -> _Look:
    found = [(path, known, _content(path)) for path, known in seen.items()]
    stamps = [_stamp(path) for path in seen]
    changed = [(path, known, data) for path, known, data in found if _is_new(known, data)]
    listed = {path.parent for path in seen if path.name == EVERY}
    return _Look(
        differs=bool(changed),
        is_doubtful=any(_is_doubtful(*each) for each in changed if not _is_told(*each, listed)),
        stamps=tuple(stamp[:3] if stamp else None for stamp in stamps),
        rested=time.time() - max((stamp[3] for stamp in stamps if stamp), default=0) / 1e9,
    )


def _is_new(known: Content | None, data: bytes | None) -> bool:
    return data != (known.data if known else None)


def _is_told(path: Path, _: Content | None, data: bytes | None, listed: set[Path]) -> bool:
    """Whether a folder's list of names says it all: which files there are, which are gone."""
    return path.name == EVERY or (data is None and path.parent in listed)


def _is_doubtful(path: Path, known: Content | None, data: bytes | None) -> bool:
    """Whether a change may not be the last one: the file is gone, or not yet written to its end."""
    if data is None:
        return True
    writing = is_being_written(path)
    if writing or known is None:
        return bool(writing)
    is_whole = writing is False and inode(path) != known.inode  # another file, put in its place
    return not is_whole and known.may_become(data)


def _content(path: Path) -> bytes | None:
    """What is in a file; None when it is missing or cannot be read."""
    try:
        return content(path)
    except OSError:
        return None


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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
