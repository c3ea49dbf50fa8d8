"""`towline logs` and `towline tail`: stored and live records of a running Towline."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.client.remote import Remote

if TYPE_CHECKING:
    from towline.client.tail import Notice

Show = Callable[[list[bytes]], None]
Say = Callable[[str], None]


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


def logs(remote: Remote, wanted: Wanted, show: Show) -> bool:
    """Show stored records, the newest last; whether there are older ones that match."""
    times = {"since": wanted.since, "until": wanted.until}
    parameters = wanted.parameters | {name: text for name, text in times.items() if text}
    if wanted.last is None:
        for rows in remote.oldest_first(parameters):
            show(rows)
        return False
    if not wanted.last:
        return False
    found = remote.newest(parameters, wanted.last)
    show(found.rows)
    return bool(found.next)


async def tail(remote: Remote, wanted: Wanted, show: Show, say: Say) -> None:
    """Show the last records and every new one, until cancelled."""
    from towline.client.tail import Records, Tail  # a connection's library costs a tenth second

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
