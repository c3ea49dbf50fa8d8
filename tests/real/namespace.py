"""A network of its own, that of a container: what is made by its thread lives there."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_NEWNET = 0x40000000


class Namespace:
    """The network of the process `pid`; needs root.

    One thread is in it for as long as this is entered. Sockets stay where they were made, whoever
    uses them, and programs start in the network of the thread that starts them.
    """

    def __init__(self, pid: int) -> None:
        self._pool = ThreadPoolExecutor(1, initializer=_enter, initargs=(pid,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown()

    def run(self, call: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """Call something there."""
        return self._pool.submit(call, *args, **more).result()


def _enter(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open("rb") as network:
        if libc.setns(network.fileno(), _NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
