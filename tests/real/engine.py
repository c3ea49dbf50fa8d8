"""A Docker Engine of our own, beside any other: own data, own socket, no network touched."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from tests.real.image import IMAGE, import_image
from tests.real.process import NotStarted, Process, alive, command_line, end
from tests.real.until import until

OTHER = "TOWLINE_TEST_DOCKERD"
"""The variable that names another dockerd for all tests, such as one of a newer Docker unpacked
beside the machine's own: `/folder/usr/sbin/dockerd`, with containerd in `/folder/usr/bin`."""

LONGEST_FOLDER = 60
"""A unix socket's path holds 107 bytes, and containerd puts its own below ours."""


class Engine:
    """A private dockerd under `folder`. Its containers get no network (`--network none`)."""

    def __init__(
        self,
        folder: Path,
        *,
        live_restore: bool = False,
        log_driver: str = "json-file",
        options: Sequence[str] = (),
        dockerd: str = "",
    ) -> None:
        self.folder = folder.absolute()
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        self.namespace = f"towline-{digest}"
        short = len(str(self.folder)) <= LONGEST_FOLDER
        self._run = self.folder / "run" if short else Path("/run") / self.namespace
        self.socket = self._run / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.live_restore = live_restore
        self.log_driver = log_driver
        self._options = tuple(options)
        self._dockerd = dockerd or os.environ.get(OTHER, "dockerd")
        self.log = self.folder / "dockerd.log"
        self._process = Process([], self.log)

    @property
    def containers_folder(self) -> Path:
        """Where the json files of the containers are."""
        return self.folder / "data" / "containers"

    @property
    def pid(self) -> int:
        """The process id of dockerd."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.running

    def start(self, timeout: float = 60) -> Self:
        """Start it and wait until it answers; `NotStarted` with the end of its log otherwise."""
        if shutil.which(self._dockerd) is None:
            raise NotStarted("there is no dockerd on this machine")
        self._run.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A file of our own: the machine's /etc/docker/daemon.json is for the machine's engine.
        (self.folder / "daemon.json").write_text("{}")
        self._end_predecessor()
        self._process = Process(self._command(), self.log, env=self._environment())
        self._process.start()
        try:
            until(lambda: answers(self.host) or not self._process.running, timeout)
        except TimeoutError:
            self._process.stop()
        if not self._process.running:
            raise NotStarted(f"dockerd did not come up:\n{self._process.tail()}")
        return self

    def stop(self) -> None:
        """End it, its containers (unless `live_restore`) and everything below it."""
        self._process.stop(timeout=30)
        self._sweep()

    def kill(self) -> None:
        """`kill -9` of dockerd alone: the containers and their shims live on."""
        self._process.kill()
        self._bury_containerd()

    def restart(self, *, live_restore: bool | None = None) -> None:
        """Stop dockerd gently and start it again; with `live_restore` containers run on."""
        self._process.stop(timeout=30)
        if live_restore is not None:
            self.live_restore = live_restore
        self.start()

    def freeze(self) -> None:
        """Stop dockerd from answering (SIGSTOP)."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._process.signal(signal.SIGCONT)

    def image(self) -> str:
        """The name of the busybox image, imported at the first call."""
        import_image(self.host)
        return IMAGE

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _command(self) -> list[str]:
        # Nothing of the host's network is changed: no bridge, no iptables rule, no forwarding.
        return [
            self._dockerd,
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self._run / 'exec'}",
            f"--pidfile={self._run / 'dockerd.pid'}",
            f"--host={self.host}",
            "--group=",
            f"--config-file={self.folder / 'daemon.json'}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            f"--containerd-namespace={self.namespace}",
            f"--containerd-plugins-namespace={self.namespace}-plugins",
            f"--log-driver={self.log_driver}",
            *(["--live-restore"] if self.live_restore else []),
            *self._options,
        ]

    def _environment(self) -> dict[str, str] | None:
        """Where another dockerd finds its own containerd and shim, before the machine's."""
        folder = Path(self._dockerd).parent
        if not folder.is_absolute():
            return None
        others = f"{folder}:{folder.parent / 'bin'}"
        return {"PATH": f"{others}:{os.environ.get('PATH', os.defpath)}"}

    def _end_predecessor(self) -> None:
        # A dockerd that an earlier, killed session of ours left behind.
        pidfile = self._run / "dockerd.pid"
        if not pidfile.exists() or self._process.running:
            return
        pid = int(pidfile.read_text() or 0)
        if f"--pidfile={pidfile}" in command_line(pid):
            end(pid, 30)
        pidfile.unlink(missing_ok=True)

    def _sweep(self) -> None:
        # After a kill -9, containerd, its shims and their containers are nobody's children.
        for shim in list(self._shims()):
            for pid in [*_children(shim), shim]:
                end(pid, 2)
        containerd = self._containerd()
        if containerd and str(self._run) in " ".join(command_line(containerd)):
            end(containerd)
        for place in _mounted_below(self.folder):
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)

    def _bury_containerd(self) -> None:
        # It is killed together with its dockerd. Where nobody reaps it, the next dockerd takes
        # the zombie of the pid file for a living one and waits for it in vain.
        try:
            until(lambda: not self._containerd(), 2)
        except TimeoutError:
            return
        self._containerd_pidfile.unlink(missing_ok=True)

    @property
    def _containerd_pidfile(self) -> Path:
        return self._run / "exec" / "containerd" / "containerd.pid"

    def _containerd(self) -> int:
        """The pid of the containerd that dockerd started, 0 when it does not run."""
        if not self._containerd_pidfile.exists():
            return 0
        pid = int(self._containerd_pidfile.read_text() or 0)
        return pid if pid and alive(pid) else 0

    def _shims(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                words = command_line(int(entry.name))
                if self.namespace in words and "containerd-shim" in words[0]:
                    yield int(entry.name)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def answers(host: str, timeout: float = 2) -> bool:
    """Whether a Docker Engine answers `GET /_ping` at `unix:///path` or `tcp://host:port`."""
    connection = _connection(host, timeout)
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(host: str, timeout: float) -> http.client.HTTPConnection:
    kind, _, rest = host.partition("://")
    if kind == "unix":
        return _UnixConnection(rest, timeout)
    return http.client.HTTPConnection(rest, timeout=timeout)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def _mounted_below(folder: Path) -> list[str]:
    """What containers that outlived their dockerd left mounted, the innermost first."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for place in reversed(places) if place.startswith(f"{folder}/")]
