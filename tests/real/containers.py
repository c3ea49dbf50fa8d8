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
        subprocess.run(
            [*self._docker, "rm", "--force", "--volumes", *names], capture_output=True, check=False
        )

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
        shown = subprocess.run(
            [*self._docker, "logs", name], capture_output=True, check=True, timeout=60
        )
        return shown.stdout, shown.stderr

    def cli(self, *arguments: str, timeout: float = 60) -> str:
        """Any `docker` command's output; `CalledProcessError` with its stderr as a note."""
        try:
            done = subprocess.run(
                [*self._docker, *arguments],
                capture_output=True,
                check=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.CalledProcessError as exc:
            exc.add_note(str(exc.stderr))
            raise
        return done.stdout

    def clean(self) -> None:
        """Remove every container that was run here."""
        ran, self._ran = self._ran, []
        if ran:
            self.remove(*ran)

    @property
    def _docker(self) -> list[str]:
        return ["docker", "-H", self.host]
