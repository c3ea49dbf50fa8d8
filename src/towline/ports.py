"""What a source, a backend and a component must be. Nothing here has a base class to inherit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, Self, runtime_checkable

from towline.record import Batch, Line, Origin

Whose = Callable[[Origin], bool]
Held = Callable[[Whose], int]
"""The first row that a step holds back of some origins, or 0: no checkpoint may go beyond it."""

Emit = Callable[[Origin, list[Line]], int]
"""Take lines of one origin, in order, into the pipeline and the store.

Never waits and never refuses: a reader that stopped reading would make Docker lose lines.
Returns the store's next offset, so that a source that cannot be read again can wait until
everything before it is synced. Lines that are counted (`seq`) may be held back by a step for some
seconds: checkpoints heed `Surroundings.held`. No lines: nothing more comes of this origin for now,
what is held back of it goes into the store.
"""


class Component(AbstractAsyncContextManager[Any], Protocol):
    """Something the runtime opens, runs and closes: one task owns all three."""

    async def __aenter__(self) -> Self:
        """Open local resources only; never wait for a remote that is down."""

    async def __aexit__(self, *exc: object) -> None:
        """Release them; safe after a failed or cancelled run."""

    async def run(self) -> None:
        """Work until cancelled or drained."""


@runtime_checkable
class Drains(Protocol):
    """A component that can finish what it holds when asked."""

    def drain(self) -> None:
        """Let `run` finish what is held and return."""


class Audit(Protocol):
    """Where it is written down who changed what."""

    def put(
        self, actor: str, action: str, target: str, *, ip: str = "", diff: object = None
    ) -> None:
        """One entry; never waits and never fails. `diff` tells more and holds no secret."""

    async def page(self, limit: int, before: int | None = None) -> tuple[list[bytes], int | None]:
        """Entries as JSON, newest first, and the number to go on `before`; None at the end."""


class Source(AbstractAsyncContextManager[Any], Protocol):
    """Reads lines from somewhere until cancelled.

    Entering must not wait for a remote that is down. Leaving is safe after a failed run.
    """

    async def run(self, emit: Emit) -> None:
        """Emit until cancelled; reconnect by itself; raise only on a fault of ours."""


class Backend(AbstractAsyncContextManager[Any], Protocol):
    """Delivers batches to one destination. Never queues, retries, sleeps or counts."""

    async def send(self, batch: Batch) -> None:
        """Deliver all of it, or raise `Retryable` or `Rejected`.

        The same batch twice must be harmless. May be cancelled at any await.
        """


@runtime_checkable
class Unheard(Protocol):
    """A source that knows a container only once it speaks."""

    def unheard(self, container: str) -> dict[str, Any] | None:
        """The row of a container that has said nothing yet; None where it would not be read."""


@runtime_checkable
class Queryable(Protocol):
    """A backend that can be asked for what it holds."""

    async def query(self, query: object, /) -> list[bytes]:
        """Records as JSON, newest first."""
