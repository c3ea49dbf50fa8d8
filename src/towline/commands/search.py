"""`towline logs` and `towline tail`: stored and live records of a running Towline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from towline.client.remote import Remote
from towline.commands.rows import visible

if TYPE_CHECKING:
    from towline.client.tail import Notice

Show = Callable[[list[bytes]], None]
Say = Callable[[str], None]
_PATTERN_OR_ID: Final = re.compile(r"[*?\[]|^[0-9a-f]{12,64}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records; empty means not asked for. `last` None: all of them."""

    names: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    min_level: str = ""
    grep: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    last: int | None = None

    @property
    def parameters(self) -> dict[str, str | list[str]]:
        """The filters that hold for stored and live records alike, as the API names them."""
        given: dict[str, str | list[str]] = {
            "name": list(self.names),
            "level": list(self.level),
            "minLevel": self.min_level,
            "regex": self.grep,
            "text": self.text,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Shown:
    """How many records were shown, and whether there are older ones that match."""

    count: int
    older: bool = False


def logs(remote: Remote, wanted: Wanted, show: Show) -> Shown:
    """Show stored records, the newest last."""
    times = {"since": wanted.since, "until": wanted.until}
    parameters = wanted.parameters | {name: text for name, text in times.items() if text}
    if wanted.last is None:
        count = 0
        for rows in remote.oldest_first(parameters):
            show(rows)
            count += len(rows)
        return Shown(count)
    if not wanted.last:
        return Shown(0)
    found = remote.newest(parameters, wanted.last)
    show(found.rows)
    return Shown(len(found.rows), bool(found.next))


def strangers(remote: Remote, names: Iterable[str]) -> list[str]:
    """A word for each name that nothing here has, with the nearest one that something has."""
    asked = [name for name in names if not _PATTERN_OR_ID.search(name)]
    containers = remote.get("containers")["containers"] if asked else []
    if not containers:
        return []
    known = {row.get(key) for row in containers for key in ("name", "serviceName", "origin")}
    known |= {row["name"] for row in remote.get("sources")["sources"]} | {"towline", None}
    return [_stranger(name, known - {None}) for name in asked if name not in known]


def _stranger(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    hint = f"; did you mean {visible(near[0])!r}?" if near else ""
    return f"nothing here is called {name!r}{hint}"


async def tail(remote: Remote, wanted: Wanted, show: Show, say: Say) -> None:
    """Show the last records and every new one, until cancelled."""
    import asyncio

    from towline.client.tail import Records, Tail  # a connection's library costs a tenth second

    for stranger in await asyncio.to_thread(strangers, remote, wanted.names):
        say(f"{stranger} (waiting for it)")
    live = Tail(remote, wanted.parameters, since=wanted.since, last=wanted.last)
    async with aclosing(live.notices()) as notices:
        async for notice in notices:
            if isinstance(notice, Records):
                show(notice.rows)
            else:
                say(in_words(notice, remote.address.url()))


def in_words(notice: Notice, url: str) -> str:
    """What is said aloud beside the records."""
    from towline.client.tail import Away, Gap

    if isinstance(notice, Away):
        return f"the connection to {url} is lost ({notice.reason}); trying again"
    if not isinstance(notice, Gap):
        return f"connected to {url} again"
    if notice.missed is None:
        return "gap: the store at the other end is a new one; what was written meanwhile is lost"
    lines = "1 record" if notice.missed == 1 else f"{notice.missed} records"
    why = {
        "slow": "this terminal took them too slowly",
        "expired": "the store's retention took them",
    }.get(notice.reason, notice.reason)
    return f"gap: {lines} missed; {why}"
