"""What makes Towline read its configuration again by itself: a file, a signal, a commit."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from towline.config.watch import changes
from towline.runtime.configuration import Configuration
from towline.runtime.reloader import Reloader

if TYPE_CHECKING:
    from towline.runtime.following import Following


class Triggers:
    """Asks the reloader for an attempt whenever there may be something new, until `stop`."""

    def __init__(
        self,
        configuration: Configuration,
        reloader: Reloader,
        following: Following | None,
        stop: asyncio.Event,
    ) -> None:
        self._configuration = configuration
        self._reloader = reloader
        self._following = following
        self._stop = stop

    @contextmanager
    def pulled(self, tasks: asyncio.TaskGroup) -> Iterator[None]:
        """While this is entered; then the tasks are told to end."""
        running = [tasks.create_task(self._watch(), name="watch")]
        if self._following:
            running.append(tasks.create_task(self._following.run(), name="git"))
        try:
            yield
        finally:
            for task in running:
                task.cancel()

    def listen(self) -> None:
        """Take SIGHUP for a wish to reload, from the first moment on: it would end the process."""
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)

    async def _watch(self) -> None:
        async for _ in changes(lambda: self._configuration.watched, self._stop):
            await asyncio.shield(self._reloader.attempt("file").decided)

    def _hang_up(self) -> None:
        self._reloader.attempt("signal")
        if self._following:
            self._following.wake()
