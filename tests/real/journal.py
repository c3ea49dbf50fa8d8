"""The systemd journal of this machine: the running one, or one started here.

There is one journal per machine, so tests share it: they write under names of their own.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.real.process import NotStarted, Process
from tests.real.until import until

DAEMON = "/lib/systemd/systemd-journald"
SOCKET = "/run/systemd/journal/socket"
MACHINE_ID = Path("/etc/machine-id")


class Journal:
    """Entered, a journal takes entries; one that was started here ends when it is left."""

    def __init__(self, folder: Path) -> None:
        self._process = Process([DAEMON], folder / "journald.log")

    def __enter__(self) -> Self:
        if not takes_entries():
            self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stop()

    def _start(self) -> None:
        if shutil.which("journalctl") is None or not Path(DAEMON).exists():
            raise NotStarted("there is no systemd-journald on this machine")
        if not MACHINE_ID.exists() or not MACHINE_ID.read_text().strip():
            subprocess.run(["systemd-machine-id-setup"], check=True, capture_output=True)
        self._process.start()
        until(takes_entries, 20, "a journal")

    def write(self, message: str, **fields: str) -> None:
        """One entry, as programs send them."""
        send({"MESSAGE": message, **fields})


def send(fields: Mapping[str, str]) -> None:
    """An entry by the journal's own protocol: a value with a newline goes by its length."""
    parts = []
    for name, text in fields.items():
        value = text.encode(errors="surrogateescape")
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"".join(parts), SOCKET)


def takes_entries() -> bool:
    """Whether somebody listens where programs send their entries."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(SOCKET)
        except OSError:
            return False
    return True
