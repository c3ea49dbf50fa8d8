"""The `git` command: no shell, no settings but ours, limited in time and output."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from towline.errors import sole
from towline.gitops.reasons import Damaged, GitFailed, TooLarge, reason, scrubbed

LOCAL: Final = 60.0
REMOTE: Final = 300.0
_CHUNK: Final = 1 << 16
_MOST_SAID: Final = 1 << 14
_LOOK: Final = 0.25
_CLOSING: Final = 5.0

_PASSED_ON: Final = (
    "PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip
"""What of Towline's own environment reaches git: where programs, authorities and proxies are."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended; `said` is the end of its standard error, without secrets."""

    code: int
    out: bytes
    said: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What must not grow beyond a bound while a command runs."""

    size: Callable[[], int]
    most: int

    def check(self) -> None:
        """`TooLarge` when it has."""
        if self.size() > self.most:
            raise TooLarge(f"the repository is larger than {self.most >> 20} MiB")


class Git:
    """Runs git for one repository. Secrets travel in `environment` only, never in arguments."""

    def __init__(
        self, home: Path, environment: Mapping[str, str], secrets: tuple[str, ...]
    ) -> None:
        self._home = home
        self._secrets = secrets
        self._environment = {
            "HOME": str(home),  # no ~/.gitconfig of whoever runs us
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
            "GIT_NO_REPLACE_OBJECTS": "1",
            **environment,
        }
        self._environment.setdefault("PATH", os.defpath)

    async def ask(self, *arguments: str, feed: bytes = b"", most: int = 1 << 20) -> bytes:
        """What a local command prints; `Damaged` when it fails."""
        done = await self.run(*arguments, feed=feed, most=most, limit=LOCAL)
        if done.code:
            raise Damaged(reason(done.said))
        return done.out

    async def run(
        self,
        *arguments: str,
        feed: bytes = b"",
        most: int = 1 << 20,
        limit: float,
        watch: Watch | None = None,
    ) -> Done:
        """Run to the end, whatever the exit code.

        Killed with its children when it takes too long, prints more than `most` bytes, fills more
        than `watch` allows, or we are cancelled.
        """
        try:
            async with asyncio.timeout(limit), self._started(arguments) as process:
                return await self._followed(process, feed, most, watch)
        except TimeoutError as exc:
            raise GitFailed("no answer in time") from exc

    async def _followed(
        self, process: asyncio.subprocess.Process, feed: bytes, most: int, watch: Watch | None
    ) -> Done:
        try:
            async with asyncio.TaskGroup() as tasks:
                out = tasks.create_task(_all(process.stdout, most))
                said = tasks.create_task(_end(process.stderr))
                tasks.create_task(_fed(process.stdin, feed))
                watching = tasks.create_task(_watched(watch)) if watch else None
                code = await process.wait()
                if watching:
                    watching.cancel()
        except BaseExceptionGroup as group:
            if (failure := sole(group, GitFailed)) is None:
                raise
            raise failure from None
        text = said.result().decode("utf-8", "replace")
        return Done(code, out.result(), scrubbed(text, self._secrets))

    @asynccontextmanager
    async def _started(
        self, arguments: tuple[str, ...]
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        starting = asyncio.create_task(self._start(arguments))
        try:
            # Cancelled in the middle of a start, asyncio would end git and forget its children.
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(OSError):
                await _killed(await starting)
            raise
        except FileNotFoundError as exc:
            raise GitFailed("there is no git command on this machine") from exc
        except OSError as exc:
            raise GitFailed(f"git cannot be started: {exc.strerror}") from exc
        try:
            yield process
        finally:
            await _killed(process)

    async def _start(self, arguments: tuple[str, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env=self._environment,
            start_new_session=True,  # a group of its own: its children end with it
        )


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of Towline's environment that git needs."""
    return {name: environment[name] for name in _PASSED_ON if environment.get(name)}


async def _killed(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # Pipes close at their end only, what nobody read stands before it, and asyncio says that a
    # process has ended when its pipes are closed.
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING):
            for stream in (process.stdout, process.stderr):
                while stream and await stream.read(_CHUNK):
                    continue
            await process.wait()


async def _all(stream: asyncio.StreamReader | None, most: int) -> bytes:
    found = bytearray()
    while stream and (chunk := await stream.read(_CHUNK)):
        found += chunk
        if len(found) > most:
            raise TooLarge("git printed more than a configuration may have")
    return bytes(found)


async def _end(stream: asyncio.StreamReader | None) -> bytes:
    found = b""
    while stream and (chunk := await stream.read(_CHUNK)):
        found = (found + chunk)[-_MOST_SAID:]
    return found


async def _fed(stream: asyncio.StreamWriter | None, feed: bytes) -> None:
    if stream is None:
        return
    try:
        stream.write(feed)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # it ended without reading; its exit code tells


async def _watched(watch: Watch) -> None:
    while True:
        await asyncio.to_thread(watch.check)
        await asyncio.sleep(_LOOK)
