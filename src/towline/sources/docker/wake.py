"""Who waits for a file to change is woken by the kernel: inotify, one watch per wait.

A watch fires once and is gone: a busy log costs nothing while its reader rests. Where the kernel
gives none (a limit reached), `arm` says so, and the reader looks from time to time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import suppress
from struct import Struct
from typing import Final

_MODIFY, _ATTRIB, _MOVE_SELF, _DELETE_SELF = 0x2, 0x4, 0x800, 0x400
_OVERFLOW: Final = 0x4000
_IGNORED: Final = 0x8000
_ONE_SHOT: Final = 0x80000000
_CHANGE: Final = _MODIFY | _ATTRIB | _MOVE_SELF | _DELETE_SELF | _ONE_SHOT
_event = Struct("iIII")
_BUFFER: Final = 1 << 16


class Waker:
    """One inotify instance, opened at the first use; close it in the loop that used it."""

    def __init__(self) -> None:
        self._fd = -1
        self._bells: dict[int, asyncio.Event] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)

    def arm(self, number: int, bell: asyncio.Event) -> bool:
        """Set `bell` once the open file with that number changes; False where that cannot be.

        What changed before is not told: look again after this.
        """
        if self._fd < 0 and not self._open():
            return False
        path = f"/proc/self/fd/{number}".encode()
        watch = self._libc.inotify_add_watch(self._fd, path, _CHANGE)
        if watch < 0:
            return False
        self._bells[watch] = bell
        return True

    def _open(self) -> bool:
        fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            return False
        self._fd = fd
        asyncio.get_running_loop().add_reader(fd, self._told)
        return True

    def _told(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._fd, _BUFFER)
            at = 0
            while at < len(data):
                watch, mask, _, length = _event.unpack_from(data, at)
                at += _event.size + length
                if mask & _OVERFLOW:
                    self._ring_all()
                elif mask & _IGNORED:
                    continue
                elif bell := self._bells.pop(watch, None):
                    bell.set()

    def _ring_all(self) -> None:
        for bell in self._bells.values():
            bell.set()

    def forget(self, bell: asyncio.Event) -> None:
        """Wake no more by this one."""
        for watch in [watch for watch, other in self._bells.items() if other is bell]:
            del self._bells[watch]
            self._libc.inotify_rm_watch(self._fd, watch)

    def close(self) -> None:
        """Let go of the instance and all its watches."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
        self._fd = -1
        self._bells.clear()
