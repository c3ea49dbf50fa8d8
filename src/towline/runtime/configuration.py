"""The configuration file: read, checked, edited; the last text that worked; how attempts ended."""

from __future__ import annotations

import hashlib
import logging
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from towline.config.environment import Overrides
from towline.config.files import Files, Seen, disk_size
from towline.config.kinds import Kinds
from towline.config.load import load
from towline.config.problems import as_json
from towline.config.settings import Settings
from towline.errors import ConfigError, EditError, Problem
from towline.runtime.history import History, replace_text
from towline.runtime.reload import Applied, Outcome
from towline.status import Health, State

_log = logging.getLogger(__name__)
LAST_GOOD: Final = "last-good.yaml"
HISTORY: Final = "config-history"
_OWN: Final = Problem(
    code="restart_required",
    text="git, store.path and store.persist belong in the file that Towline was started with",
)
_MINIMAL: Final = "version: 1\nsources: {}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment say. `file` None: run on defaults."""

    file: Path | None
    environment: Mapping[str, str]
    overrides: Overrides


@dataclass(frozen=True, slots=True)
class Followed:
    """A file that is followed, the folder of its configuration, and what the own file said."""

    file: Path
    root: Path
    own: Settings


class Configuration:
    """The file and what became of it.

    `files` are those the last reading asked for, which the watcher compares with. `health` is up
    when what runs is what the file says. Where a repository is followed, the own file counts until
    the followed one is there; `git:` and secrets are in it all the time.
    """

    def __init__(self, options: Options, sources: Kinds, backends: Kinds) -> None:
        self._options = options
        self._sources = sources
        self._backends = backends
        self._folder: Path | None = None
        self._followed: Followed | None = None
        self.files = Files()
        self.health = Health()
        self.history = History(None)
        self.outcome: Outcome | None = None

    @property
    def name(self) -> str:
        """The file's name, for people."""
        return str(self._file or "none: defaults and environment")

    @property
    def folder(self) -> Path:
        """The folder of the file that Towline was started with."""
        return (self._options.file or Path("none")).absolute().parent

    @property
    def is_well(self) -> bool:
        """Whether what runs is what the file says."""
        return self.health.state == State.UP

    def at_home(self, folder: Path) -> None:
        """From now on the last good text and the history are kept in `folder`."""
        self._folder = folder
        self.history = History(folder / HISTORY)

    def first(self) -> tuple[bytes | None, Settings, tuple[Problem, ...]]:
        """What to begin with: the file; while that is broken the last good text; else the minimum.

        With a broken file and nothing to fall back on, the API and the page still come up.
        """
        try:
            return *self.load(), ()
        except ConfigError as exc:
            problems = exc.problems
        minimal = self.settings(_MINIMAL)
        with suppress(OSError, ConfigError):
            text = (minimal.store.path / LAST_GOOD).read_bytes()
            return text, self.settings(text), problems
        return None, minimal, problems

    def load(self) -> tuple[bytes | None, Settings]:
        """The file's text (None without a file) and what it says; `ConfigError` with every problem.

        May be called from a thread: `files` are put in place once all of them are read.
        """
        files = Files()
        try:
            text = self._read(files)
            return text, self._effective(self._settings(text, files), files)
        finally:
            self.files = files

    def settings(self, text: bytes | str | None) -> Settings:
        """What a text says, as if it stood in the file; `ConfigError` with every problem."""
        followed = self._in_force
        if followed and text is not None:
            return self._of(followed, text, Files())
        return self._settings(text, Files())

    def follow(self, followed: Followed) -> tuple[Settings, tuple[Problem, ...]]:
        """From now on a file of a repository counts: what to begin with, and its problems."""
        self._followed = followed
        try:
            return self._effective(followed.own, self.files), ()
        except ConfigError as exc:
            return followed.own, exc.problems

    def verify(self, file: Path, root: Path) -> tuple[Problem, ...]:
        """What is wrong with a file that is to be followed next."""
        if self._followed is None:
            return ()
        try:
            self._of(replace(self._followed, file=file, root=root), file.read_bytes(), Files())
        except ConfigError as exc:
            return exc.problems
        return ()

    @property
    def watched(self) -> Seen:
        """The files that people edit: those of a repository change by commits alone."""
        seen = self.files.seen
        if self._followed is None:
            return seen
        root = self._followed.root
        return {path: content for path, content in seen.items() if root not in path.parents}

    @property
    def _in_force(self) -> Followed | None:
        """What is followed, once it is there."""
        followed = self._followed
        return followed if followed and followed.file.is_file() else None

    def _effective(self, own: Settings, files: Files) -> Settings:
        """What counts: the followed file where there is one."""
        followed = self._followed
        text = files.read(followed.file) if followed else None
        if followed is None or text is None:
            return own
        found = self._of(followed, text, files)
        warnings = tuple(dict.fromkeys((*own.warnings, *found.warnings)))
        # another `git:` than at the start is for the reloader to refuse
        return replace(found, git=own.git, warnings=warnings)

    def _of(self, followed: Followed, text: bytes | str, files: Files) -> Settings:
        """What a followed text says; the own file gives the device's id and the data folder."""
        own, options = followed.own, self._options
        found = self._load(
            text,
            files,
            file=followed.file,
            folder=followed.root,
            private=options.file.absolute().parent if options.file else None,
            environment={**options.environment, "LOG_DIR": str(own.store.path)},
            host_name=own.device.id,
            overrides=replace(options.overrides, git={}),
        )
        if found.git or found.store != own.store:
            raise ConfigError([replace(_OWN, file=str(followed.file))])
        return replace(found, git=own.git)

    def _read(self, files: Files) -> bytes | None:
        file = self._options.file
        if file is None:
            return None
        text = files.read(file)
        if text is None:
            raise ConfigError(
                [Problem(code="missing_file", text="there is no such file", file=str(file))]
            )
        return text

    def tried(self, text: bytes, called: str = "") -> Settings:
        """The same of a text from elsewhere: problems name it `called`."""
        own = str(self._file or "")
        try:
            return self.settings(text)
        except ConfigError as exc:
            problems = [
                replace(told, file=called) if called and told.file == own else told
                for told in exc.problems
            ]
            raise ConfigError(problems) from exc

    def _settings(self, text: bytes | str | None, files: Files) -> Settings:
        options = self._options
        host = socket.gethostname()
        return self._load(
            text, files, file=options.file, environment=options.environment, host_name=host
        )

    def _load(self, text: bytes | str | None, files: Files, **more: Any) -> Settings:
        return load(
            text,
            self._sources,
            self._backends,
            read=files,
            disk_size=disk_size,
            **{"overrides": self._options.overrides, **more},
        )

    def text(self) -> str:
        """The file as it stands; empty without one."""
        file = self._file
        with suppress(OSError):
            return file.read_bytes().decode("utf-8", "replace") if file else ""
        return ""

    @property
    def _file(self) -> Path | None:
        """The file that counts."""
        return self._in_force.file if self._in_force else self._options.file

    def replace(self, text: bytes, etag: str) -> None:
        """Put another text in the file, if it still is the one that `etag` names.

        `EditError` when it is not, or cannot be written; `ConfigError` when the text is at fault.
        """
        file = self._options.file
        if self._followed is not None:
            raise EditError("read_only", "the configuration follows a repository: commit to it")
        if file is None:
            raise EditError("no_file", "Towline runs without a file: start it with --config FILE")
        self.settings(text)  # takes its time: what stands in the file is looked at after it
        try:
            present = file.read_bytes()
        except OSError as exc:
            raise EditError("unreadable", f"{file}: {exc.strerror}") from exc
        if etag not in ("*", etag_of(present)):
            raise EditError("changed_meanwhile", "the file has changed since it was read")
        try:
            self.history.keep(present)
            # through a link: what the link points to is replaced, the link stays
            target = file.resolve()
            replace_text(target, text, stat.S_IMODE(target.stat().st_mode))
        except OSError as exc:
            raise EditError("not_writable", f"{file} cannot be written: {exc.strerror}") from exc

    def status(self, running: Settings) -> dict[str, Any]:
        """How it is, and what is odd in what runs, in the shape that the API serves."""
        return self.health.as_json() | {"warnings": as_json(running.warnings)}

    def is_news(self, outcome: Outcome) -> bool:
        """Whether there was something to change, to mend or to warn of."""
        if not isinstance(outcome, Applied) or outcome.plan or not self.is_well:
            return True
        former = self.outcome.warnings if isinstance(self.outcome, Applied) else ()
        return outcome.warnings != former

    def ended(self, outcome: Outcome, actor: str) -> None:
        """Remember how an attempt ended."""
        self.outcome = outcome
        if isinstance(outcome, Applied):
            self.health.up()
        else:
            self.health.degraded(str(outcome))
        self.history.add(actor, outcome.as_json())

    def save_history(self) -> None:
        """Write down how attempts ended."""
        try:
            self.history.save()
        except OSError as exc:
            _log.warning("configuration's history not kept", extra={"reason": exc.strerror})

    def keep(self, text: bytes | None) -> None:
        """Remember a text that works, for a start with one that does not."""
        if text is None or self._folder is None:
            return
        try:
            replace_text(self._folder / LAST_GOOD, text)
        except OSError as exc:
            _log.warning("last good configuration not kept", extra={"reason": exc.strerror})


def etag_of(text: bytes) -> str:
    """What names a text in `ETag` and `If-Match`, without the quotes."""
    return hashlib.sha256(text).hexdigest()[:32]
