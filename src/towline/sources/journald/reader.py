"""`journalctl` as a child: what it prints, and what it says when it cannot."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from towline.errors import SourceError
from towline.sources.journald.entries import FIELDS
from towline.sources.journald.export import Entries, Entry

PROGRAM: Final = "journalctl"
CHUNK: Final = 1 << 18
SAID: Final = 2000
GRACE: Final = 2.0


class Reader:
    """A running `journalctl`: entries as they come, then the reason why it ended."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._entries = Entries()
        self._said = bytearray()

    async def read(self) -> list[Entry]:
        """The next entries; `SourceError` when there will be no more."""
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(CHUNK):
            if found := self._entries.feed(data):
                return found
        await self._process.wait()
        raise SourceError(self._reason())

    @property
    def oversize(self) -> int:
        """Values too long to be kept."""
        return self._entries.oversize

    async def listen(self) -> None:
        """Keep what it says on its standard error, the last of it."""
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(SAID):
            self._said += data
            del self._said[:-SAID]

    def _reason(self) -> str:
        lines = self._said.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"{PROGRAM} ended with code {self._process.returncode}"


def arguments(path: str, *more: str) -> list[str]:
    """The command line that prints entries in the export format."""
    where = [f"--directory={path}"] if path else ["--merge"]
    fields = f"--output-fields={','.join(FIELDS)}"
    return [PROGRAM, "--quiet", "--no-pager", "--all", "--output=export", fields, *where, *more]


@asynccontextmanager
async def reading(command: Sequence[str]) -> AsyncIterator[Reader]:
    """Run it for as long as this lasts; `SourceError` when it is not there."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=CHUNK
        )
    except FileNotFoundError as exc:
        raise SourceError(f"{PROGRAM} is not installed: the journal cannot be read") from exc
    except OSError as exc:
        raise SourceError(f"{PROGRAM} cannot be started: {exc.strerror}") from exc
    reader = Reader(process)
    listening = asyncio.create_task(reader.listen(), name=PROGRAM)
    try:
        yield reader
    finally:
        await _end(process)
        await listening


async def first(command: Sequence[str]) -> Entry | None:
    """The first entry that a command prints, if there is one."""
    async with reading(command) as reader:
        try:
            return (await reader.read())[0]
        except SourceError:
            return None


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    # no timeout(): within a cancelled task Python 3.11.2 does not tell it from the cancellation
    waiting = asyncio.ensure_future(process.wait())
    done, _ = await asyncio.wait((waiting,), timeout=GRACE)
    if not done:
        with suppress(ProcessLookupError):
            process.kill()
        await waiting
