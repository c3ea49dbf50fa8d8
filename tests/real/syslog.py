"""A rsyslogd of our own on free loopback ports, which writes down what it has understood."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from tests.real.broker import free_port
from tests.real.process import NotStarted, Process
from tests.real.until import until

_PARTS = ("pri", "timestamp", "hostname", "app-name", "procid", "msgid", "structured-data", "msg")
_FORMS = {"timestamp": ' dateFormat="rfc3339"'}


@dataclass(frozen=True, slots=True)
class Trust:
    """Certificate files: whom to trust, who it is."""

    ca: Path
    cert: Path
    key: Path


class Syslog:
    """A private rsyslogd under `folder`, for UDP and TCP, or for TLS with client certificates."""

    def __init__(self, folder: Path, trust: Trust | None = None) -> None:
        self.folder = folder.absolute()
        self.port = free_port()
        self._trust = trust
        self._rows = self.folder / "rows"
        configuration = self.folder / "rsyslog.conf"
        command = ["rsyslogd", "-n", "-f", str(configuration), "-i", str(self.folder / "pid")]
        self._process = Process(command, self.folder / "rsyslogd.log")

    @property
    def address(self) -> str:
        """Host and port, for an address."""
        return f"127.0.0.1:{self.port}"

    def rows(self) -> list[dict[str, Any]]:
        """Every message that it has taken, by its parts, in order."""
        if not self._rows.exists():
            return []
        whole, _, _ = self._rows.read_bytes().rpartition(b"\n")
        return [msgspec.json.decode(row) for row in whole.split(b"\n") if row]

    def start(self) -> Self:
        """Start it and wait until it listens; `NotStarted` with the end of its log otherwise."""
        if shutil.which("rsyslogd") is None:
            raise NotStarted("there is no rsyslogd on this machine")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "rsyslog.conf").write_text(self._configuration())
        self._process.start()
        try:
            until(lambda: self._listens() or not self._process.running, 20)
        except TimeoutError:
            self._process.kill()
        if not self._process.running:
            raise NotStarted(f"rsyslogd did not come up:\n{self._process.tail()}")
        return self

    def stop(self) -> None:
        """End it gently."""
        self._process.stop()

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _configuration(self) -> str:
        parts = "\n".join(
            f' property(outname="{part}" name="{part}" format="jsonf"{_FORMS.get(part, "")})'
            + ("" if part == _PARTS[-1] else ' constant(value=",")')
            for part in _PARTS
        )
        rows = f'template(name="row" type="list") {{ constant(value="{{")\n{parts}\n'
        return "\n".join(
            [
                f'global(workDirectory="{self.folder}" maxMessageSize="64k"',
                f"{self._files()})",
                f'module(load="imtcp"{self._driver()})',
                'module(load="imudp")',
                f'input(type="imtcp" address="127.0.0.1" port="{self.port}")',
                f'input(type="imudp" address="127.0.0.1" port="{self.port}")',
                rows + ' constant(value="}\\n") }',
                f'action(type="omfile" file="{self._rows}" template="row")',
                "",
            ]
        )

    def _files(self) -> str:
        if self._trust is None:
            return ""
        return (
            f'DefaultNetstreamDriverCAFile="{self._trust.ca}"'
            f' DefaultNetstreamDriverCertFile="{self._trust.cert}"'
            f' DefaultNetstreamDriverKeyFile="{self._trust.key}"'
        )

    def _driver(self) -> str:
        if self._trust is None:
            return ""
        mode = ' StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'
        return f' StreamDriver.Name="gtls"{mode}'
