"""What Home Assistant asks for: buttons and the log level. Retained commands are ignored."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from towline.broker.incoming import Inbox, Incoming
from towline.config.homeassistant import HomeAssistant
from towline.errors import TowlineError
from towline.homeassistant.choice import Chosen
from towline.homeassistant.entities import CONTROLS, LEVELS
from towline.homeassistant.names import Place
from towline.homeassistant.ports import Tell, Watched
from towline.homeassistant.words import Words

_log = logging.getLogger(__name__)
ACTOR: Final = "Home Assistant"
MOST: Final = 50
"""Commands that wait; more are dropped and counted."""


class Shows(Protocol):
    """The part as far as commands go."""

    def show_again(self) -> None:
        """Announce what the user has deleted."""

    def called(self, row: Mapping[str, Any]) -> str:
        """What a container of the API's goes by here."""

    def place(self, name: str) -> Place:
        """Where a container is."""

    def clear(self, topic: str) -> None:
        """Let the broker keep nothing there."""


class Commands:
    """One command at a time, in order."""

    def __init__(
        self,
        part: Shows,
        config: HomeAssistant,
        towline: Watched,
        chosen: Chosen,
        words: Words,
        tell: Tell,
    ) -> None:
        self.inbox = Inbox(MOST, over="newest")
        self._part = part
        self._config = config
        self._towline = towline
        self._chosen = chosen
        self._words = words
        self._tell = tell

    def filters(self, home: Place) -> Iterator[str]:
        """What to subscribe to."""
        yield home.command
        yield home.event("log_level")
        if self._config.controls:
            yield home.containers_command

    def take(self, message: Incoming) -> None:
        """Heed a command; one that the broker had kept is no news, and is cleared there."""
        if not message.retained:
            self.inbox(message)
        elif message.payload:
            self._part.clear(message.topic)

    async def run(self) -> None:
        """Until cancelled."""
        async for message in self.inbox:
            await self._obey(message)

    async def _obey(self, message: Incoming) -> None:
        text = message.payload[:64].decode(errors="replace")
        home = Place(self._config.prefix, self._towline.device.id)
        if message.topic == home.event("log_level"):
            if text in LEVELS:
                logging.getLogger("towline").setLevel(text.upper())
        elif message.topic == home.command:
            await self._own(text)
        elif text in CONTROLS:
            await self._control(message.topic, text)

    async def _own(self, text: str) -> None:
        if text == "show_again":
            self._part.show_again()
        elif text == "reload":
            try:
                await self._towline.reload(ACTOR)
            except TowlineError as exc:  # it is told as the outcome of the reload
                _log.info("reload asked for over Home Assistant", extra={"outcome": str(exc)})

    async def _control(self, topic: str, what: str) -> None:
        row = self._row(topic)
        if row is None:
            return
        container = str(row["name"])
        if not self._chosen.may_control(row):
            self._say("control_refused", "warn", container=container, what=what)
            return
        try:
            await self._towline.control(str(row["id"]), what, ACTOR)
        except TowlineError as exc:
            about = {"container": container, "what": what, "reason": str(exc)}
            self._say("control_failed", "error", **about)
        else:
            self._say("control_done", "info", container=container, what=what)

    def _row(self, topic: str) -> dict[str, Any] | None:
        """The container that a command is for."""
        rows = (row for row in self._towline.containers() if self._chosen(row))
        return next(
            (row for row in rows if self._part.place(self._part.called(row)).command == topic), None
        )

    def _say(self, key: str, level: str, **given: str) -> None:
        self._tell(self._words.message(key, **given), level)
