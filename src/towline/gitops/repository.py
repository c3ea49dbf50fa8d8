"""A bare mirror of one branch: which commit is its tip, and what is in a commit."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from towline.config.git import GitSettings
from towline.gitops.access import Access, quoted
from towline.gitops.command import REMOTE, Done, Git, Watch
from towline.gitops.reasons import BranchGone, TooLarge, failure
from towline.gitops.tree import Bounds, Entry, listing, refuse_unfit

_WANTED: Final = "refs/towline/wanted"
_RUNNING: Final = "refs/towline/running"
_LONGEST_SUBJECT: Final = 200

_CONFIGURATION: Final = """\
[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = /dev/null
	fsync = committed,reference
[gc]
	autoDetach = false
[maintenance]
	auto = false
[fetch]
	recurseSubmodules = false
[http]
	lowSpeedLimit = 100
	lowSpeedTime = 30
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit and who made it. `committed_at` is seconds since the epoch."""

    id: str
    author: str
    subject: str
    committed_at: int

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return {
            "commit": self.id,
            "author": self.author,
            "subject": self.subject,
            "committedAt": self.committed_at * 1000,
        }


class Mirror:
    """One branch of one repository, in a folder of our own."""

    def __init__(
        self, settings: GitSettings, folder: Path, git: Git, access: Access, bounds: Bounds
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._git = git
        self._access = access
        self._bounds = bounds

    @property
    def exists(self) -> bool:
        """Whether there is a mirror of this very repository."""
        file = self._folder / "config"
        return (self._folder / "objects").is_dir() and self._address() in _text(file)

    async def open(self) -> None:
        """Make the mirror, or make it ready: locks of a killed git are taken away."""
        if not self.exists:
            await asyncio.to_thread(self.discard)
            self._folder.mkdir(parents=True)
            await self._git.ask("init", "--quiet", "--bare", "--template=", str(self._folder))
        # Written whole at every start: nothing that got in there some other way stays.
        text = _CONFIGURATION + self._address() + self._access.configuration
        (self._folder / "config").write_text(text)
        await asyncio.to_thread(_unlock, self._folder)

    def discard(self) -> None:
        """Throw the mirror away; the next `open` makes a new one."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def tip(self) -> str:
        """The commit that the branch is at; `BranchGone`, or `GitFailed` with the reason."""
        branch = f"refs/heads/{self._settings.branch}"
        done = await self._remote("ls-remote", "origin", branch)
        for row in done.out.decode("ascii", "replace").splitlines():
            name, _, ref = row.partition("\t")
            if ref == branch:
                return name
        raise BranchGone(f"the repository has no branch {self._settings.branch!r}")

    async def fetch(self) -> Commit:
        """Bring the branch here; its tip."""
        watch = Watch(lambda: _size(self._folder), self._bounds.repository)
        spec = f"+refs/heads/{self._settings.branch}:{_WANTED}"
        try:
            await self._remote("fetch", "--quiet", "--no-tags", "origin", spec, watch=watch)
            await asyncio.to_thread(watch.check)
        except TooLarge:
            await asyncio.to_thread(self.discard)
            raise
        return await self.commit(_WANTED)

    async def commit(self, name: str) -> Commit:
        """A commit that is here, by its id or a reference."""
        form = "--format=%H%x00%an%x00%s%x00%ct"
        shown = await self._ask("show", "--no-patch", "--no-show-signature", form, f"{name}^0")
        parts = shown.decode("utf-8", "replace").strip("\n").split("\0")
        return Commit(
            id=parts[0],
            author=_plain(parts[1]),
            subject=_plain(parts[2])[:_LONGEST_SUBJECT],
            committed_at=int(parts[3]),
        )

    async def leads_to(self, former: str, later: str) -> bool:
        """Whether `former` is in the history of `later`; a commit that is not here is not."""
        question = ("merge-base", "--is-ancestor", former, later)
        return (await self._run(*question)).code == 0

    async def files(self, commit: Commit) -> tuple[list[Entry], bytes]:
        """What a commit holds, and the contents; `CommitRefused` when that is too much."""
        question = ("ls-tree", "-r", "-l", "-z", "--full-tree", commit.id)
        try:
            printed = await self._ask(*question, most=self._bounds.listing)
        except TooLarge:
            printed = b"\0".join([b"100644 blob 0 0\tx"] * (self._bounds.files + 1))
        entries = listing(printed)
        refuse_unfit(entries, self._bounds)
        wanted = "".join(f"{entry.id}\n" for entry in entries).encode()
        most = sum(entry.size + 100 for entry in entries)
        return entries, await self._ask("cat-file", "--batch", feed=wanted, most=most)

    async def pin(self, commit: Commit) -> None:
        """Keep a commit's objects: its files can be restored even when it left the branch."""
        await self._ask("update-ref", _RUNNING, commit.id)
        await self._run("gc", "--auto", "--quiet", limit=REMOTE)

    def _address(self) -> str:
        return f'[remote "origin"]\n\turl = {quoted(self._settings.url)}\n'

    async def _remote(self, *arguments: str, watch: Watch | None = None) -> Done:
        done = await self._run(*arguments, limit=REMOTE, watch=watch)
        if done.code:
            raise failure(done.said)
        return done

    async def _run(self, *arguments: str, limit: float = 60.0, watch: Watch | None = None) -> Done:
        where = f"--git-dir={self._folder}"
        return await self._git.run(where, *arguments, limit=limit, watch=watch)

    async def _ask(self, *arguments: str, feed: bytes = b"", most: int = 1 << 20) -> bytes:
        return await self._git.ask(f"--git-dir={self._folder}", *arguments, feed=feed, most=most)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _unlock(folder: Path) -> None:
    """Nobody else works here: a lock is from a git that was killed."""
    for left in (*folder.rglob("*.lock"), *folder.rglob("tmp_*")):
        if left.is_file():
            left.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue  # git renames and removes while we look
    return total


def _plain(text: str) -> str:
    """A name or subject without control characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
