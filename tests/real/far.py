"""A machine far away: a network namespace whose cable can be pulled. Needs root."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from types import TracebackType
from typing import Self

_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of <linux/sched.h>."""


def possible() -> bool:
    """Whether a namespace can be had here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


class Far:
    """Joined with this machine by one cable. `host` is this machine's address as seen from it."""

    def __init__(self, subnet: str = "10.213.77") -> None:
        self.name = f"towline-{os.getpid()}"
        self.host = f"{subnet}.1"
        self._subnet = subnet
        self._here, self._there = f"tl{os.getpid()}a"[-15:], f"tl{os.getpid()}b"[-15:]

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self._here, "type", "veth", "peer", "name", self._there)
            _ip("link", "set", self._there, "netns", self.name)
            _ip("addr", "add", f"{self.host}/24", "dev", self._here)
            _ip("-n", self.name, "link", "set", "lo", "up")
            self.join(2)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        _ip("netns", "del", self.name)

    def command(self, *arguments: str) -> list[str]:
        """A command that runs inside."""
        return ["ip", "netns", "exec", self.name, *arguments]

    def cut(self) -> None:
        """Pull the cable: what is sent is lost, and nobody is told."""
        _ip("link", "set", self._here, "down")

    def join(self, number: int) -> None:
        """Plug it in, with another address: connections of the former one are dead."""
        _ip("-n", self.name, "addr", "flush", "dev", self._there)
        _ip("-n", self.name, "addr", "add", f"{self._subnet}.{number}/24", "dev", self._there)
        _ip("link", "set", self._here, "up")
        _ip("-n", self.name, "link", "set", self._there, "up")

    def dial(self, port: int) -> socket.socket:
        """A connection to a port of the namespace's own loopback."""
        found: list[socket.socket] = []

        def inside() -> None:
            # a thread has a namespace of its own, and ends with it
            with open(f"/run/netns/{self.name}") as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), _NEW_NETWORK) == 0:
                    found.append(socket.create_connection(("127.0.0.1", port), timeout=10))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        found[0].setblocking(False)
        return found[0]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)
