"""What the API asks of the running Towline, and no more. `app.py` is it; tests bring their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from towline.broker.incoming import Incoming
from towline.config.settings import Device
from towline.delivery.delivery import Delivery
from towline.errors import Problem
from towline.ports import Audit
from towline.record import Sent
from towline.status import Health
from towline.store.log import Store
from towline.store.query import Query


class Subscriptions(Protocol):
    """Subscriptions of a broker; an unknown one is `NotFound`."""

    def of(self, broker: str) -> list[dict[str, Any]]:
        """Each: `id topic sharedGroup enabled granted lastMessage actions` and its health."""

    async def edit(
        self, broker: str, name: str, wanted: dict[str, Any], etag: str, actor: str
    ) -> dict[str, Any]:
        """Write some of its keys into the file and apply it; errors as of `Towline.edit`."""


class Messages(Protocol):
    """Messages of brokers; an unknown broker is `NotFound`, a wrong parameter `QueryError`."""

    def heard(self, broker: str) -> Callable[[Incoming], None]:
        """Where to hand messages of a broker."""

    def of(self, broker: str, topic: str, words: str, limit: int) -> dict[str, Any]:
        """`messages` newest first, `topics`, `watching`."""

    def watch(self, broker: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Record what comes for a filter, for a while; `EditError` where that cannot be."""

    def unwatch(self, broker: str) -> None:
        """End every watch."""

    def replay(self, broker: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Begin to play records or messages again; `EditError` while one plays."""

    def replayed(self, broker: str) -> dict[str, Any]:
        """`state sent refused error`; `NotFound` where none was begun."""

    async def stop(self, broker: str) -> dict[str, Any]:
        """End the replay that is under way."""


class Brokers(Protocol):
    """Brokers by name; an unknown one is `NotFound`."""

    @property
    def subscriptions(self) -> Subscriptions:
        """What is listened to there."""

    @property
    def messages(self) -> Messages:
        """What came there."""

    def all(self) -> list[dict[str, Any]]:
        """Each as `one` gives it, with its `status`."""

    def one(self, name: str) -> dict[str, Any]:
        """`settings` as written (null: not in this file, `fixed` says why), `effective` ones."""

    def status(self, name: str) -> dict[str, Any]:
        """How the connection is."""

    def reconnect(self, name: str) -> None:
        """Make the connection anew."""

    async def test(self, name: str, wanted: dict[str, Any], *, local: bool) -> dict[str, Any]:
        """Try settings, or the saved ones without any; the steps and how each went."""

    async def edit(
        self, name: str, wanted: dict[str, Any], etag: str, actor: str
    ) -> dict[str, Any]:
        """Write settings into the file and apply it; errors as of `Towline.edit`."""


class Ingest(Protocol):
    """A source that devices send their lines to."""

    health: Health

    def admits(self, token: str) -> bool:
        """Whether a device may send with this token."""

    def take(self, uuid: str, sent: Iterable[Sent]) -> int:
        """Lines of one device into the store; how many."""

    async def synced(self) -> None:
        """Until everything taken so far is on disk."""


class Operations(Protocol):
    """What containers can be made to do, as far as the configuration in force allows it."""

    def controllable(self) -> Callable[[dict[str, Any]], bool]:
        """Tells of a container's row whether it may be controlled."""

    async def control_one(self, container_id: str, what: str, actor: str) -> None:
        """`start`, `stop` or `restart` a container; `Rejected` where that is not allowed."""


class Towline(Protocol):
    """The program behind the API.

    Mappings are JSON as it is served; keys are camelCase. An unknown container or backend is
    `NotFound`, an engine that is away `SourceError`, a file at fault `ConfigError`.
    """

    @property
    def store(self) -> Store:
        """The log that queries and viewers read."""

    @property
    def device(self) -> Device:
        """This Towline."""

    @property
    def brokers(self) -> Brokers:
        """The brokers of the configuration."""

    @property
    def audit(self) -> Audit:
        """Who changed what."""

    @property
    def operations(self) -> Operations:
        """What people may have done to containers."""

    @property
    def version(self) -> str:
        """The program's version."""

    def status(self) -> dict[str, dict[str, Any]]:
        """Every component by its key ("backends.mqtt"), each as `Health.as_json()` gives it."""

    def ready(self) -> bool:
        """Whether every enabled component is up."""

    def containers(self) -> list[dict[str, Any]]:
        """Containers that sources know.

        `id name image state serviceName project app source attached`, and more. `attached` tells
        whether its log is being read, `reason` (may be missing) why it is not.
        """

    def sources(self) -> list[dict[str, Any]]:
        """Sources: `name type` and their health."""

    def ingests(self) -> list[Ingest]:
        """Sources that devices send to."""

    def backends(self) -> list[dict[str, Any]]:
        """Backends: `name type queryable cursor lag` (an id, records) and their health."""

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts: `name enabled firing lag lastFired actions` and their health."""

    def backend(self, name: str) -> object:
        """The running backend itself: where it is `Queryable` it is asked for what it holds."""

    def delivery(self, name: str) -> Delivery:
        """What runs a backend: pause, resume, replay, records set aside."""

    async def remove(self, query: Query) -> int:
        """Remove stored records for good; how many that were. `StoreError`: the disk refuses."""

    def note(self, text: str) -> None:
        """Put on record what a person has done."""

    async def attach(
        self, container_id: str, service_id: int | None, service_name: str | None
    ) -> None:
        """Read a container's log though the file excludes it; the rest is its service from now."""

    async def detach(self, container_id: str) -> None:
        """Stop reading a container's log until the file or a person says otherwise."""

    async def view(self, container: str) -> None:
        """Somebody views a container: where the file excludes it, it is read for 30 s on."""

    async def reload(self, actor: str = "api") -> dict[str, Any]:
        """Read the file again; the outcome: `applied` or `rolled back`, and what changed.

        Where a repository is followed it is asked first; its status is at `git`.
        """

    def config_text(self) -> str:
        """The file as written, tags unresolved: a `!secret` shows its name and never its value."""

    async def edit(self, text: bytes, etag: str, actor: str) -> dict[str, Any]:
        """Put another text in the file and apply it; `etag` names the text that it replaces.

        `ConfigError` for a text at fault, `EditError` when the file cannot be edited: nothing was
        written. The outcome as `reload` gives it.
        """

    async def check(self, text: bytes, called: str) -> tuple[Problem, ...]:
        """Every problem that a text would have in the file's place; they name it `called`."""

    async def plan(self, text: bytes, called: str) -> dict[str, Any]:
        """What a text would start, change and stop in the file's place; `ConfigError` as above."""

    def routing(self) -> dict[str, Any]:
        """`backends` by name and `routes`, those in force."""

    def config_history(self) -> list[dict[str, Any]]:
        """How attempts to change the configuration ended, newest first."""
