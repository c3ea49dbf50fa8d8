"""Real containers of the busybox image, by the `docker` command."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Mapping

from tests.real.image import IMAGE

_numbers = itertools.count(1)


class Containers:
    """Runs containers on the engine at `host` and removes those it ran."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._ran: list[str] = []

    def run(
        self,
        script: str,
        *,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        tty: bool = False,
        log_driver: str = "",
        log_options: Mapping[str, str] | None = None,
        restart: str = "no",
        image: str = IMAGE,
    ) -> str:
        """Start `sh -c script` in a new container and return its full id.

        `log_options` are the driver's, such as `{"max-size": "1m", "max-file": "2"}`.
        """
        name = name or f"towline-test-{os.getpid()}-{next(_numbers)}"
        options = [f"--name={name}", "--network=none", "--stop-timeout=1", f"--restart={restart}"]
        options += [f"--label={key}={value}" for key, value in (labels or {}).items()]
        options += [f"--log-opt={key}={value}" for key, value in (log_options or {}).items()]
        options += [f"--log-driver={log_driver}"] if log_driver else []
        options += ["--tty"] if tty else []
        self._ran.append(name)
        return self.cli("run", "--detach", *options, image, "sh", "-c", script).strip()

    def remove(self, *names: str) -> None:
        """Kill and remove; those that are gone already are no fault."""
        self._run("rm", "--force", "--volumes", *names)

    def restart(self, name: str) -> None:
        """`docker restart`, without grace."""
        self.cli("restart", "--time=0", name)

    def stop(self, name: str) -> None:
        """`docker stop`, after at most a second."""
        self.cli("stop", "--time=1", name)

    def start(self, name: str) -> None:
        """`docker start`."""
        self.cli("start", name)

    def wait(self, name: str, timeout: float = 60) -> int:
        """The exit code, once it has ended."""
        return int(self.cli("wait", name, timeout=timeout))

    def logs(self, name: str) -> tuple[bytes, bytes]:
        """What Docker kept of stdout and stderr."""
        shown = self._run("logs", name)
        shown.check_returncode()
        return shown.stdout, shown.stderr

    def cli(self, *arguments: str, timeout: float = 60) -> str:
        """Any `docker` command's output; `CalledProcessError` with its stderr as a note."""
        done = self._run(*arguments, timeout=timeout)
        try:
            done.check_returncode()
        except subprocess.CalledProcessError as exc:
            exc.add_note(done.stderr.decode(errors="replace"))
            raise
        return done.stdout.decode(errors="replace")

    def clean(self) -> None:
        """Remove every container that was run here."""
        ran, self._ran = self._ran, []
        if ran:
            self.remove(*ran)

    def _run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[bytes]:
        # A session of its own: a second Ctrl-C must not interrupt the removal.
        return subprocess.run(
            ["docker", "-H", self.host, *arguments],
            capture_output=True,
            check=False,
            timeout=timeout,
            start_new_session=True,
        )
