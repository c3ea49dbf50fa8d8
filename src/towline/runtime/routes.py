"""The component that puts routes in force."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from towline.config.settings import Route
from towline.delivery.router import Router
from towline.status import Health


class RoutesPart:
    """Routes change for every backend at once, between two batches; no backend restarts."""

    def __init__(self, router: Router, routes: Sequence[Route]) -> None:
        self._router = router
        self._routes = routes
        self.health = Health()

    async def __aenter__(self) -> Self:
        Router(self._routes)  # whatever cannot be compiled fails here, before anything changes
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.health.stopped()

    async def run(self) -> None:
        """Until cancelled: records go by these routes."""
        self._router.replace(self._routes)
        self.health.up()
        await asyncio.Event().wait()
