"""A Mosquitto of our own on a free loopback port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.real.listener import Listener
from tests.real.process import NotStarted, Process
from tests.real.until import until

ACCEPTED, REFUSED, SILENT = "accepted", "refused", "silent"


class Broker:
    """A private mosquitto under `folder`; keeps its port (and its sessions) over a restart.

    `users` maps names to passwords; without any, everyone may connect. `options` are further
    lines of its configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        self.folder = folder.absolute()
        self.users = dict(users or {})
        self.port = port or free_port()
        self._options = tuple(options)
        configuration = self.folder / "mosquitto.conf"
        command = ["mosquitto", "-c", str(configuration)]
        self._process = Process(command, self.folder / "mosquitto.log")

    @property
    def url(self) -> str:
        """The way a configuration names it."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of mosquitto."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.running

    def start(self) -> Self:
        """Start it and wait until it answers; `NotStarted` with the end of its log otherwise."""
        if shutil.which("mosquitto") is None:
            raise NotStarted("there is no mosquitto on this machine")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write()
        self._process.start()
        try:
            until(lambda: self._answers() or not self._process.running, 15)
        except TimeoutError:
            self._process.kill()
        if not self._process.running:
            raise NotStarted(f"mosquitto did not come up:\n{self._process.tail()}")
        return self

    def stop(self) -> None:
        """End it gently: it saves its sessions."""
        self._process.stop()

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start it again on the same port."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Keep it from answering while its connections stay open (SIGSTOP)."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._process.signal(signal.SIGCONT)

    def publish(self, topic: str, payload: str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish one message by `mosquitto_pub`."""
        options = ["-t", topic, "-m", payload, "-q", str(qos), *(["-r"] if retain else [])]
        subprocess.run(
            ["mosquitto_pub", *self._client(), *options],
            check=True,
            capture_output=True,
            timeout=10,
        )

    def listen(self, topic: str = "#", *, qos: int = 1) -> Listener:
        """A subscriber that collects what comes; a context manager, subscribed once entered."""
        return Listener([*self._client(), "-t", topic, "-q", str(qos)])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _client(self) -> list[str]:
        options = ["-h", "127.0.0.1", "-p", str(self.port)]
        for name, password in list(self.users.items())[:1]:
            options += ["-u", name, "-P", password]
        return options

    def _answers(self) -> bool:
        return greeting("127.0.0.1", self.port) != SILENT

    def _write(self) -> None:
        lines = [f"listener {self.port} 127.0.0.1", "persistence true"]
        lines += [f"persistence_location {self.folder}/"]
        # As root it would change its user, and then neither read its folder nor hear our death.
        lines += ["user root"] if os.geteuid() == 0 else []
        if self.users:
            lines += ["allow_anonymous false", f"password_file {self._passwords()}"]
        else:
            lines += ["allow_anonymous true"]
        text = "\n".join([*lines, *self._options, ""])
        (self.folder / "mosquitto.conf").write_text(text)

    def _passwords(self) -> Path:
        path = self.folder / "passwords"
        path.write_text("".join(f"{name}:{word}\n" for name, word in self.users.items()))
        path.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
        return path


def free_port() -> int:
    """A loopback port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def greeting(
    host: str, port: int, *, username: str = "", password: str = "", timeout: float = 2
) -> str:
    """What answers an MQTT 3.1.1 CONNECT: `accepted`, `refused`, or `silent` (no broker)."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(_connect(username, password))
            answer = connection.recv(4)
    except OSError:
        return SILENT
    if len(answer) < 4 or answer[0] != 0x20:
        return SILENT
    return ACCEPTED if answer[3] == 0 else REFUSED


def _connect(username: str, password: str) -> bytes:
    # OASIS MQTT 3.1.1 section 3.1: protocol name and level, flags, keep alive, client id.
    flags, rest = 0x02, _text("")
    if username:
        flags, rest = flags | 0x80, rest + _text(username)
        if password:
            flags, rest = flags | 0x40, rest + _text(password)
    body = _text("MQTT") + bytes([4, flags, 0, 5]) + rest
    return bytes([0x10, len(body)]) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
