"""The Python environment `.venv`, installed from the locked requirements and nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.real.work import say, work

RUN = ("requirements.txt", "requirements-build.txt")
"""What Towline imports, and what builds it."""

DEVELOP = (*RUN, "requirements-dev.txt")
"""The same and everything that checks and tests it."""

PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")

LOCKING = ("--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url")


class Environment:
    """`.venv` below `root`; stamps in it say which lock it was installed from."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self._logs = logs

    def program(self, name: str) -> str:
        """The path of an installed command."""
        return str(self.folder / "bin" / name)

    def ready(self, locks: Sequence[str]) -> bool:
        """Whether these locks are installed already, alone or among more."""
        sets = {locks, DEVELOP} if set(locks) <= set(DEVELOP) else {locks}
        return any(self._stamped(each) for each in sets)

    def install(self, locks: Sequence[str]) -> None:
        """Make the environment and install the locks and the project; quick when it is there."""
        if self.ready(locks):
            return
        self._make()
        files = [word for lock in locks for word in ("-r", str(self.root / lock))]
        work(
            "installing Python packages",
            [self.program("python"), *PIP, "install", "--require-hashes", *files],
            log=self._logs / "pip.log",
        )
        project = ["--no-deps", "--no-build-isolation", "--editable", str(self.root)]
        work(
            "installing Towline",
            [self.program("python"), *PIP, "install", *project],
            log=self._logs / "pip-towline.log",
        )
        self.stamp(locks)

    def stamp(self, locks: Sequence[str]) -> None:
        """Note that these locks are installed."""
        self._stamp(locks).write_text(self._digest(locks))

    def lock(self) -> None:
        """Write the requirements files anew, with hashes and without download addresses."""
        self._compile("requirements.txt", "", ["pyproject.toml"])
        built = "hatchling>=1.27\neditables\n"
        self._compile("requirements-build.txt", built, [])
        both = ["--constraint=requirements.txt", "--constraint=requirements-build.txt"]
        tools = ["--group=dev", "pyproject.toml", *both]
        self._compile("requirements-dev.txt", "uv\n", tools)

    def _compile(self, output: str, extra: str, arguments: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder) / "extra.in"
            wanted.write_text(extra)
            sources = [*arguments, *([str(wanted)] if extra else [])]
            command = [self.program("uv"), "pip", "compile", "--quiet", "--no-header", *LOCKING]
            subprocess.run(
                [*command, "--no-annotate", "--output-file", output, *sources],
                cwd=self.root,
                check=True,
            )
        say(f"wrote {output}")

    def _make(self) -> None:
        if self._sound():
            return
        work(
            "making .venv",
            [sys.executable, "-m", "venv", "--clear", str(self.folder)],
            log=self._logs / "venv.log",
        )

    def _sound(self) -> bool:
        # An interrupted set-up leaves an environment without pip.
        python = self.program("python")
        check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
        if not Path(python).exists():
            return False
        return (
            subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
        )

    def _stamped(self, locks: Sequence[str]) -> bool:
        stamp = self._stamp(locks)
        return stamp.exists() and stamp.read_text() == self._digest(locks)

    def _stamp(self, locks: Sequence[str]) -> Path:
        return self.folder / f"towline-{'dev' if locks == DEVELOP else 'run'}.stamp"

    def _digest(self, locks: Sequence[str]) -> str:
        digest = hashlib.sha256(str(self.root).encode())
        for name in (*locks, "pyproject.toml"):
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()
