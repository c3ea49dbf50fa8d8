"""Waiting that can be interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


class Bell:
    """Ends a wait early. Nobody waiting, nothing happens: look at the reason before waiting."""

    def __init__(self) -> None:
        self._rung: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """End the wait that is under way."""
        if self._rung is not None and not self._rung.done():
            self._rung.set_result(None)

    async def first_of(self, *others: Awaitable[None]) -> None:
        """Wait for one of these, or for the bell; the others are cancelled."""
        rung = self._rung = asyncio.get_running_loop().create_future()
        tasks = [asyncio.ensure_future(other) for other in others]
        try:
            done, _ = await asyncio.wait({rung, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                future.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
