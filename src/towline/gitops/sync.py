"""Following a repository: fetch, write a tree, check it, and only then put it in force."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from logging import ERROR
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

from towline.config.git import GitSettings, masked
from towline.errors import Problem
from towline.gitops.access import Access
from towline.gitops.checks import Verify, refuse_for, refuse_unusable, refuse_without
from towline.gitops.command import Git, passed_on
from towline.gitops.pace import Rounds
from towline.gitops.reasons import BranchGone, CommitRefused, Damaged, GitFailed, TooLarge
from towline.gitops.repository import Commit, Mirror
from towline.gitops.states import WELL, Sync
from towline.gitops.status import Status
from towline.gitops.tree import Bounds
from towline.gitops.trees import CURRENT, Tree, Trees
from towline.own_log import TOLD
from towline.status import Health
from towline.trouble import Trouble

FOLDER: Final = "config-git"

_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})
_BOUNDS: Final = Bounds()
_FAILED: Final = frozenset({Sync.UNREACHABLE, Sync.BRANCH_GONE, Sync.BEHIND})
"""States after a round in which the remote or the disk did not do its part."""

_log = logging.getLogger(__name__)

Apply = Callable[[], Awaitable[Sequence[Problem]]]
"""Bring the file in force into effect, or leave all as it was and say why."""


def followed_file(data: Path, settings: GitSettings, device: str) -> Path:
    """The file that a device runs on, whether it is there yet or not."""
    return data / FOLDER / CURRENT / settings.file(device)


def _unheard(_: object) -> None:
    """For whoever does not listen."""


class GitSync:
    """Keeps the tree in force at the tip of a branch.

    Entering works on what is here already and waits for no remote. `changed` is called with the
    status when it changes, `at` with the name of each point where a crash would be interesting.
    Paths of settings count from `home`.
    """

    def __init__(
        self,
        settings: GitSettings,
        device: str,
        data: Path,
        *,
        verify: Verify,
        apply: Apply,
        changed: Callable[[dict[str, Any]], None] = _unheard,
        environment: Mapping[str, str] = _NO_ENVIRONMENT,
        home: Path = Path(),
        bounds: Bounds = _BOUNDS,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        at: Callable[[str], None] = _unheard,
    ) -> None:
        self.health = Health()
        self.file = followed_file(data, settings, device)
        self._path = settings.file(device)
        self._settings = settings
        self._folder = (data / FOLDER).absolute()
        self._verify, self._apply, self._changed = verify, apply, changed
        self._clock, self._at = clock, at
        private, known_hosts = self._folder / "private", self._folder / "known_hosts"
        self._access = Access(settings, private, known_hosts, home)
        variables = {**passed_on(environment), **self._access.environment}
        git = Git(self._folder, variables, self._access.secrets)
        self._mirror = Mirror(settings, self._folder / "mirror.git", git, self._access, bounds)
        self._trees = Trees(self._folder, clock=clock, at=at)
        self._status = Status(settings, self._path, clock=clock)
        self._refused: tuple[str, tuple[Problem, ...]] = ("", ())
        self._notice: Sync | None = None
        self._told: Commit | None = None
        self._lock = asyncio.Lock()
        self._rounds = Rounds(self._round, settings.interval, chance)
        about = {"url": masked(settings.url), **TOLD}
        away, disk = "the repository cannot be followed", "a commit cannot be written"
        self._away = Trouble(_log, away, "the repository is followed again", extra=about)
        self._disk = Trouble(_log, disk, "commits are written again", extra=about, level=ERROR)

    async def __aenter__(self) -> Self:
        self._trees.open()
        self._access.write()
        running = self._trees.running()
        self._status.running = running.commit if running else None
        with suppress(GitFailed, OSError):  # the first sync meets it again, and tells
            if self._mirror.exists:
                await self._mirror.open()
                await self._restore(running)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._access.remove()
        self.health.stopped()

    @property
    def root(self) -> Path:
        """The tree in force: the configuration folder."""
        return self.file.parents[self._path.count("/")]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the newest commit."""
        return self._status.problems

    def status(self) -> dict[str, Any]:
        """The shape that the API serves."""
        return self._status.as_json()

    async def run(self) -> None:
        """Sync from time to time until cancelled, and whenever asked."""
        await self._rounds.run()

    def wake(self) -> asyncio.Event:
        """Let `run` sync at once, and give a commit that was refused another chance.

        The event is set when that round is over, or when there will be none.
        """
        return self._rounds.wake()

    async def _round(self, again: bool) -> bool:
        await self.sync_now(again=again)
        return self._status.state not in _FAILED

    async def sync_now(self, *, again: bool = True) -> dict[str, Any]:
        """One round; `again`: a commit that was refused gets another chance. The status then."""
        async with self._lock:
            try:
                await self._follow(again=again)
            except BranchGone as exc:
                self._failed(Sync.BRANCH_GONE, str(exc))
            except Damaged as exc:
                await asyncio.to_thread(self._mirror.discard)
                self._failed(Sync.UNREACHABLE, f"our copy was damaged and is made anew: {exc}")
            except GitFailed as exc:
                self._failed(Sync.UNREACHABLE, str(exc))
            except OSError as exc:
                self._failed(Sync.BEHIND, f"the disk: {exc.strerror or exc}")
            else:
                self._away.over()
                self._disk.over()
        return self.status()

    async def _follow(self, *, again: bool) -> None:
        if not self._mirror.exists:
            await self._mirror.open()
        running = await self._restored()
        tip = await self._mirror.tip()
        self._status.last_sync = self._clock()
        if running and running.commit.id == tip and not await _edits(running):
            self._status.wanted = running.commit
            self._settle(running)
        elif self._refused[0] == tip and not again:
            self._become(Sync.INVALID, problems=self._refused[1])
        else:
            await self._advance(running, tip)

    async def _advance(self, running: Tree | None, tip: str) -> None:
        """Bring a newer commit into force, or say what is wrong with it."""
        self._status.wanted = Commit(id=tip, author="", subject="", committed_at=0)
        try:
            self._status.wanted = commit = await self._mirror.fetch()
            self._at("fetched")
            self._become(Sync.BEHIND)
            await self._take(running, commit)
        except TooLarge as exc:
            self._refuse(tip, [Problem(code="too_much", text=str(exc))])
        except CommitRefused as exc:
            self._refuse(self._status.wanted.id, exc.problems)

    async def _take(self, running: Tree | None, commit: Commit) -> None:
        tree = await self._tree(commit)
        try:
            await asyncio.to_thread(refuse_unusable, tree, self._path, self._verify)
            self._at("verified")
            rewritten = await self._is_rewritten(running, commit)
            self._trees.swap(tree)
            refuse_for(tree, await self._apply())
        except CommitRefused:
            self._trees.swap(running)
            if running is None or tree.folder != running.folder:
                await asyncio.to_thread(self._trees.discard, tree)
            raise
        await self._in_force(running, tree, rewritten=rewritten)

    async def _in_force(self, former: Tree | None, tree: Tree, *, rewritten: bool) -> None:
        status, commit = self._status, tree.commit
        if former is None or former.commit.id != commit.id:
            status.edited, status.edits_kept = (), ""
            status.rewritten_from = former.commit.id if former and rewritten else ""
            self._notice = Sync.REWRITTEN if rewritten else None
            about = {"commit": commit.id, "author": commit.author, "subject": commit.subject}
            _log.info("commit in force", extra={**about, "rewritten": rewritten})
        if former and former.folder != tree.folder and (edited := await _edits(former)):
            await self._set_aside(former, edited)
        status.running = commit
        self._settle(tree)
        with suppress(GitFailed):  # it only keeps objects for later
            await self._mirror.pin(commit)
        await asyncio.to_thread(self._trees.tidy)

    async def _tree(self, commit: Commit) -> Tree:
        """The whole tree of a commit: one that is here, or a new one."""
        history = self._settings.history
        if found := await asyncio.to_thread(self._trees.of, commit, history):
            return found
        entries, blobs = await self._mirror.files(commit)
        self._at("listed")
        return await asyncio.to_thread(self._trees.make, commit, history, entries, blobs)

    async def _is_rewritten(self, running: Tree | None, commit: Commit) -> bool:
        """Whether a force-push took the running commit out of the branch."""
        if running is None or running.history != self._settings.history:
            return False
        return not await self._mirror.leads_to(running.commit.id, commit.id)

    async def _restored(self) -> Tree | None:
        """The tree in force, put back to its commit if it was edited and that is possible now."""
        running = self._trees.running()
        try:
            restored = await self._restore(running)
        except GitFailed:
            return running  # our copy has not got that commit (any more): a fetch may bring it
        if restored is not running and (problems := await self._apply()):
            _log.warning("the restored tree was not applied", extra={"reason": problems[0].text})
        return restored

    async def _restore(self, running: Tree | None) -> Tree | None:
        if running is None or not (edited := await _edits(running)):
            return running
        self._status.edited = tuple(edited)
        tree = await self._tree(running.commit)
        self._trees.swap(tree)
        await self._set_aside(running, edited)
        return tree

    async def _set_aside(self, tree: Tree, edited: Sequence[str]) -> None:
        """Keep what somebody had edited where no commit will replace it."""
        kept = await asyncio.to_thread(self._trees.discard, tree)
        self._status.edited = tuple(edited)
        self._status.edits_kept = str(kept.relative_to(self._folder)) if kept else ""
        self._notice = Sync.EDITED_LOCALLY
        about = {"files": edited[:10], "kept": self._status.edits_kept, **TOLD}
        _log.warning("files of the repository were edited by hand and put back", extra=about)

    def _settle(self, tree: Tree) -> None:
        """The tip runs. What happened on the way is said once."""
        try:
            refuse_without(tree, self._path)  # `path` may be another one than it was
        except CommitRefused as exc:
            self._refuse(tree.commit.id, exc.problems)
            return
        self._refused = ("", ())
        self._become(self._notice or Sync.IN_SYNC)
        self._notice = None

    def _refuse(self, commit: str, problems: Sequence[Problem]) -> None:
        if self._refused != (commit, tuple(problems)):
            about = {"commit": commit, "problems": len(problems), "reason": problems[0].text}
            _log.warning("commit not applied", extra={**about, **TOLD})
        self._refused = (commit, tuple(problems))
        self._become(Sync.INVALID, problems=problems)

    def _failed(self, state: Sync, reason: str) -> None:
        (self._disk if state is Sync.BEHIND else self._away).happened(reason)
        self._become(state, reason)

    def _become(self, state: Sync, reason: str = "", *, problems: Sequence[Problem] = ()) -> None:
        reason = reason or (problems[0].text if problems else "")
        running = self._status.running
        changed = self._status.become(state, reason, problems)
        if state in WELL:
            self.health.up()
        elif reason or state is not Sync.BEHIND:  # behind for a moment is how every commit comes
            self.health.degraded(str(self._status))
        if changed or running != self._told:
            self._told = running
            self._changed(self.status())


async def _edits(tree: Tree) -> list[str]:
    return await asyncio.to_thread(lambda: tree.edits)
