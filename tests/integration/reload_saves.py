"""The ways in which a file becomes another one: editors, Git, Kubernetes, mounts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Final

NAME: Final = "towline.yaml"
_TOPIC: Final = re.compile(r'topic: "([^"]+)"')
_BACKENDS: Final = re.compile(r"backends:\n((?:  .*\n)+)")


class Saving:
    """Writes in place, as `cat >` and many editors do."""

    def begin(self, folder: Path, text: str) -> Path:
        """Put the first text below `folder`; the file that Towline is given."""
        self.folder = folder
        self.file = folder / NAME
        self.file.write_text(text)
        return self.file

    def save(self, text: str) -> None:
        """Make the file say another text."""
        self.file.write_text(text)

    def end(self) -> None:
        """Undo what would outlive the folder."""


class _Beside(Saving):
    """Keeps a part of the text in files beside it, and changes those alone."""

    def begin(self, folder: Path, text: str) -> Path:
        self.folder = folder
        self.beside(text)
        return super().begin(folder, self.rest(text))

    def save(self, text: str) -> None:
        self.beside(text)

    def beside(self, text: str) -> None:
        """Write the files beside it."""
        raise NotImplementedError

    def rest(self, text: str) -> str:
        """The text that points to them."""
        raise NotImplementedError


class Secret(_Beside):
    """The topic is a secret."""

    def beside(self, text: str) -> None:
        file = self.folder / "secrets.yaml"
        file.touch(0o600)
        file.write_text(f"topic: {_TOPIC.search(text)[1]}\n")  # type: ignore[index]

    def rest(self, text: str) -> str:
        return _TOPIC.sub("topic: !secret topic", text, count=1)


class Included(_Beside):
    """The backends stand in a file of their own."""

    def beside(self, text: str) -> None:
        (self.folder / "backends.yaml").write_text(dedent(_BACKENDS.search(text)[1]))  # type: ignore[index]

    def rest(self, text: str) -> str:
        return _BACKENDS.sub("backends: !include backends.yaml\n", text)


class IncludedFolder(_Beside):
    """Each backend stands in a file of its own."""

    def beside(self, text: str) -> None:
        (self.folder / "backends").mkdir(exist_ok=True)
        for row in _BACKENDS.search(text)[1].splitlines():  # type: ignore[index]
            name, _, body = row.strip().partition(": ")
            file = self.folder / "backends" / f"{name}.yaml"
            if not file.exists() or file.read_text() != body:
                file.write_text(body)

    def rest(self, text: str) -> str:
        return _BACKENDS.sub("backends: !include_dir_named backends\n", text)


class Rename(Saving):
    """Another file beside it, renamed over it."""

    def save(self, text: str) -> None:
        beside = self.file.with_name(f".{NAME}.swp")
        beside.write_text(text)
        beside.replace(self.file)


class Vim(Saving):
    """Probe the folder, move the old file aside, create the new one, remove the old."""

    def save(self, text: str) -> None:
        probe = self.file.with_name("4913")
        probe.touch()
        probe.unlink()
        backup = self.file.with_name(f"{NAME}~")
        self.file.rename(backup)
        self.file.write_text(text)
        backup.unlink()


class Unlink(Saving):
    """Remove it and create it anew."""

    def save(self, text: str) -> None:
        self.file.unlink()
        self.file.write_text(text)


class Checkout(Saving):
    """`git checkout` of another commit."""

    def begin(self, folder: Path, text: str) -> Path:
        self._folder = folder
        self._git("init", "-q", "-b", "main")
        file = super().begin(folder, text)
        self._git("add", NAME)
        self._commit("first")
        return file

    def save(self, text: str) -> None:
        self._git("checkout", "-q", "--detach")
        self._git("update-index", "-q", "--refresh")
        blob = self._git("hash-object", "-w", "--stdin", text=text).strip()
        tree = self._git("mktree", text=f"100644 blob {blob}\t{NAME}\n").strip()
        commit = self._git("commit-tree", tree, "-p", "HEAD", "-m", "next").strip()
        self._git("checkout", "-q", commit)

    def _commit(self, message: str) -> None:
        self._git("commit", "-q", "-m", message)

    def _git(self, *arguments: str, text: str = "") -> str:
        who = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
        done = subprocess.run(
            ["git", "-C", str(self._folder), *who, *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env=_git_environment(),
        )
        return done.stdout


def _git_environment() -> Mapping[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


class Kubernetes(Saving):
    """A folder per version, and a link `..data` that is swapped (a mounted ConfigMap)."""

    def begin(self, folder: Path, text: str) -> Path:
        self._count = 0
        self._folder = folder
        self.save(text)
        self.file = folder / NAME
        self.file.symlink_to(f"..data/{NAME}")
        return self.file

    def save(self, text: str) -> None:
        before = (self._folder / "..data").resolve() if self._count else None
        self._count += 1
        version = self._folder / f"..2026_{self._count}"
        version.mkdir()
        (version / NAME).write_text(text)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")
        if before:
            shutil.rmtree(before)


class MountedFolder(Saving):
    """The folder is mounted elsewhere, and Towline reads it there."""

    def begin(self, folder: Path, text: str) -> Path:
        super().begin(folder, text)
        self._mounted = folder.with_name("mounted")
        self._mounted.mkdir()
        mount("--bind", str(folder), str(self._mounted))
        return self._mounted / NAME

    def end(self) -> None:
        subprocess.run(["umount", str(self._mounted)], check=False)


class MountedFile(Saving):
    """The file alone is mounted, as `docker run --volume FILE:FILE` does; written in place."""

    def begin(self, folder: Path, text: str) -> Path:
        super().begin(folder, text)
        inside = folder.with_name("inside")
        inside.mkdir()
        self._mounted = inside / NAME
        self._mounted.touch()
        mount("--bind", str(self.file), str(self._mounted))
        return self._mounted

    def end(self) -> None:
        subprocess.run(["umount", str(self._mounted)], check=False)


def mount(*arguments: str) -> None:
    """`mount`, or `CalledProcessError`."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


SAVINGS: Final[Mapping[str, type[Saving]]] = {
    "in place": Saving,
    "renamed over": Rename,
    "as vim does": Vim,
    "removed and created": Unlink,
    "git checkout": Checkout,
    "kubernetes": Kubernetes,
    "a secret": Secret,
    "an included file": Included,
    "a file of an included folder": IncludedFolder,
    "folder mounted": MountedFolder,
    "file mounted": MountedFile,
}
