"""A private sshd on loopback, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.real.broker import free_port
from tests.real.process import Process
from tests.real.until import until
from towline.config.settings import Secret


class Sshd:
    """A private sshd on a loopback port that lets one key in."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self._settings = settings
        self.port = free_port()
        folder.mkdir(mode=0o700)
        for name in ("host", "user", "stranger"):
            self._key(name)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        self._configure()
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        command = [program, "-D", "-e", "-f", str(folder / "sshd_config")]
        self._process = Process(command, folder / "sshd.log")

    @property
    def known_hosts(self) -> str:
        return self._known("host")

    @property
    def foreign_known_hosts(self) -> str:
        return self._known("stranger")

    def key(self, name: str = "user") -> Secret:
        return Secret((self.folder / name).read_text())

    def url(self, path: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def new_host_key(self) -> None:
        """Come back as another server."""
        self._process.stop()
        for end in ("", ".pub"):
            (self.folder / f"host{end}").unlink()
        self._key("host")
        self._start()

    def __enter__(self) -> Sshd:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd shuts itself in
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stop()

    def _start(self) -> None:
        self._process.start()
        before = self._process.pid
        until(lambda: self._answers() or not self._process.running, 30)
        assert self._process.running, f"{before}: {self._process.tail()}"

    def _answers(self) -> bool:
        # its log still says of an earlier start that it listens
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _key(self, name: str) -> None:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]
        subprocess.run(command, cwd=self.folder, check=True, timeout=10)

    def _known(self, name: str) -> str:
        kind, key, _ = (self.folder / f"{name}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def _configure(self) -> None:
        lines = (
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            f"PidFile {self.folder}/sshd.pid",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "LogLevel INFO",
            *self._settings,
        )
        (self.folder / "sshd_config").write_text("\n".join([*lines, ""]))
