"""Actions that have Towline itself do something."""

from __future__ import annotations

from towline.actions.occasion import Occasion
from towline.actions.ports import Around
from towline.config.operations import Container, Level, Operation, Reload, Replay
from towline.errors import Rejected


class OperationAction:
    """Has it done in the name of whoever the occasion is about."""

    def __init__(self, settings: Operation, around: Around) -> None:
        self._settings = settings
        self._operations = around.operations

    async def perform(self, occasion: Occasion) -> None:
        """Return when it is done."""
        operations, actor = self._operations, occasion.about
        if operations is None:
            raise Rejected("not possible here")
        match self._settings:
            case Container(match=match, do=what):
                await operations.control(match, what, actor)
            case Reload():
                await operations.reload(actor)
            case Replay(backend=backend, since=since):
                await operations.replay(backend, since, actor)
            case Level(to=level):
                operations.level(level, actor)
