"""A program that runs beside us: its own session, its output in a file, ended by its pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.real.until import until


class NotStarted(Exception):
    """A real part did not come up; the text says why and shows the end of its output."""


class Process:
    """One program. It gets no Ctrl-C of the terminal's and ends when its parent is killed."""

    def __init__(
        self, command: Sequence[str], log: Path | None, *, env: Mapping[str, str] | None = None
    ) -> None:
        self.command = tuple(command)
        self.log = log
        self._env = env
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it prints is appended to `log`, or shown where there is none."""
        with ExitStack() as stack:
            output = None
            if self.log:
                self.log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(self.log.open("ab"))
            self._popen = subprocess.Popen(
                [*_bound(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                env=None if self._env is None else {**os.environ, **self._env},
            )

    @property
    def pid(self) -> int:
        """Its process id; `ProcessLookupError` before `start`."""
        if self._popen is None:
            raise ProcessLookupError(f"{self.command[0]} was not started")
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, `None` while it has not."""
        return None if self._popen is None else self._popen.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._popen is not None:
            self._popen.send_signal(number)

    def stop(self, timeout: float = 20) -> None:
        """Ask it to end, and kill it when it does not in time."""
        if self._popen is None:
            return
        self._popen.send_signal(signal.SIGCONT)
        self._popen.terminate()
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of what it printed."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _bound() -> list[str]:
    # The kernel's death signal follows the *thread* that started the program: from a worker
    # thread it would end the program as soon as that thread is done.
    if threading.current_thread() is not threading.main_thread():
        return []
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def alive(pid: int) -> bool:
    """Whether a process of that id runs (one that has ended and waits for its parent does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def command_line(pid: int) -> list[str]:
    """The arguments of a running process, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def end(pid: int, timeout: float = 20) -> None:
    """End a process that is not our child: SIGTERM, later SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
            until(lambda: not alive(pid), timeout)
        except ProcessLookupError:
            return
        except TimeoutError:
            continue
        return
