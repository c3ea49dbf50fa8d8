"""What is answered to requests over MQTT."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import voluptuous as vol

from towline.config.compound import Mapping, checked
from towline.config.fields import duration, name, one_of, text, whole
from towline.config.match import match
from towline.config.operations import LEVELS
from towline.config.problems import as_json
from towline.config.settings import Device, Settings
from towline.errors import Problem, QueryError
from towline.record import Record, record_id
from towline.runtime.announce import state
from towline.runtime.operations import Operations, Program
from towline.store.query import Query

MOST_RECORDS: Final = 500
MOST_BYTES: Final = 200_000
"""How much a query answers at once."""

_BODIES: Final = {
    "status": Mapping({}),
    "reload": Mapping({}),
    "query": Mapping(
        {
            vol.Optional("match", default=dict): match,
            vol.Optional("text", default=""): text,
            vol.Optional("since", default="1h"): duration,
            vol.Optional("before"): text,
            vol.Optional("limit", default=100): whole(1, MOST_RECORDS),
        }
    ),
    "check": Mapping({vol.Required("text"): text}),
    "replay": Mapping({vol.Required("backend"): name, vol.Required("since"): duration}),
    "level": Mapping({vol.Required("to"): one_of(*LEVELS)}),
}


class Asked(Program, Protocol):
    """The running Towline."""

    @property
    def version(self) -> str:
        """The program's version."""

    @property
    def device(self) -> Device:
        """This Towline."""

    def status(self) -> dict[str, dict[str, Any]]:
        """Every component by its key."""

    async def check(self, text: bytes, called: str) -> tuple[Problem, ...]:
        """Every problem that a text would have in the file's place."""


class Answers:
    """Does what a request asks for; `TowlineError` where that is not possible."""

    def __init__(self, towline: Asked, settings: Callable[[], Settings]) -> None:
        self._towline = towline
        self._operations = Operations(towline, settings)

    async def __call__(self, what: str, body: dict[str, Any], actor: str) -> Any:
        """What comes of it, as JSON."""
        found, faults = checked(_BODIES[what], body)
        if faults:
            where = ".".join(map(str, faults[0].path))
            raise QueryError("bad_parameter", f"{where}: {faults[0].msg}")
        match what:
            case "status":
                towline = self._towline
                return state(towline.version, towline.device, towline.status())
            case "query":
                return await self._query(found)
            case "reload":
                return await self._towline.reload(actor)
            case "check":
                problems = await self._towline.check(found["text"].encode(), "request")
                return {"problems": as_json(problems)}
            case "replay":
                moved = await self._operations.replay(found["backend"], found["since"], actor)
                return {"from": moved}
        self._operations.level(found["to"], actor)
        return {"level": found["to"]}

    async def _query(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Records, newest first; `next` goes on with the older ones, as `before`."""
        before = asked.get("before")
        try:
            offset = None if before is None else int(before, 16)
        except ValueError as exc:
            raise QueryError("bad_parameter", "before: the id of a record") from exc
        store = self._towline.store
        store.answers.admit()
        since = round((time.time() - asked["since"]) * 1000)
        query = Query(
            match=asked["match"],
            text=asked["text"],
            since=since,
            before=offset,
            limit=asked["limit"],
        )
        page = await store.query(query)
        rows: list[Record] = []
        size = 0
        for record in page.records:
            size += len(record.json)
            if rows and size > MOST_BYTES:
                break
            rows.append(record)
        more = page.next if len(rows) == len(page.records) else rows[-1].offset
        logs = [msgspec.Raw(record.json) for record in rows]
        following = None if more is None else record_id(more)
        return {"count": len(logs), "logs": logs, "next": following}
