"""Why a line may be missing, and what to do about it: one finding per reason. Pure.

Everything is read off what the API serves anyway, so that `towline doctor`, the page and whoever
asks `GET /status` are told the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

Row = Mapping[str, Any]

ERROR, WARNING, NOTE = "error", "warning", "note"
BEHIND: Final = 10_000
"""Records behind which a backend is worth a word though it delivers."""

AHEAD: Final = 60_000
"""Milliseconds by which a line's own time may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason. `about` is a component's key or a container's name; `code` is stable."""

    code: str
    severity: str
    about: str
    text: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """The shape that the API serves."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there is to look at; `now` in milliseconds."""

    status: Mapping[str, Row]
    containers: Sequence[Row]
    backends: Sequence[Row]
    now: int


def findings(look: Look) -> list[Finding]:
    """Every reason there is, the gravest first."""
    found = [each for examine in EXAMINATIONS for each in examine(look)]
    return sorted(found, key=lambda each: (ERROR, WARNING, NOTE).index(each.severity))


def _configuration(look: Look) -> Iterator[Finding]:
    part = look.status.get("configuration", {})
    if part.get("state") != "up" and part.get("reason"):
        yield Finding(
            "configuration",
            ERROR,
            "configuration",
            f"the file is not in force: {part['reason']}",
            "mend the file; `towline check` shows every problem with its line",
        )
    for warning in part.get("warnings") or ():
        text = warning.get("message") or warning.get("text") or ""
        place = f"line {warning.get('line')}: " if warning.get("line") else ""
        yield Finding("warning", NOTE, "configuration", f"{place}{text}", warning.get("hint") or "")


def _sources(look: Look) -> Iterator[Finding]:
    for key, part in _room(look, "sources"):
        reason = str(part.get("reason") or "")
        if part.get("state") == "degraded":
            yield Finding("source_away", ERROR, key, f"nothing is read: {reason}", _reach(reason))
        for counter, (text, remedy) in _SOURCE_COUNTERS.items():
            if count := _counter(part, counter):
                yield Finding(counter, WARNING, key, text.format(count), remedy)


def _reach(reason: str) -> str:
    """What helps where a source cannot be reached."""
    low = reason.lower()
    if "permission" in low:
        return "run Towline as root or in the group of the socket (`docker`, `systemd-journal`)"
    if "no such file" in low or "refused" in low:
        return "start the engine, or name its address in `sources.<name>.url` (DOCKER_HOST)"
    if "not installed" in low:
        return "install it: `apt-get install systemd` brings journalctl"
    return "it is tried again by itself; look at the engine's own log"


_SOURCE_COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "missed_container": (
        "{} containers were gone before they could be read",
        "run short jobs without `--rm`, or give them a second before they end",
    ),
    "events_dropped": (
        "{} events of the engine could not be taken in time",
        "nothing is lost by it: the engine's list is compared every ten seconds",
    ),
    "unreadable": (
        "{} rows or entries could not be read",
        "the log is damaged; what stands behind the damage is read",
    ),
    "truncated": ("{} lines were longer than 1 MiB", "such lines come in pieces"),
}


def _containers(look: Look) -> Iterator[Finding]:
    for row in look.containers:
        name, log = str(row["name"]), row.get("log") or {}
        if row.get("excluded"):
            yield Finding(
                "excluded",
                NOTE,
                name,
                "is not read: the file or its label towline.enable=false excludes it",
                "change `include` and `exclude` of its source, or the label",
            )
            continue
        if log.get("fault"):
            yield Finding(
                "unreadable_log",
                ERROR,
                name,
                f"its log cannot be read: {log['fault']}",
                "use the log driver json-file, local or journald",
            )
        if log.get("gaps"):
            yield Finding(
                "gaps",
                WARNING,
                name,
                f"lines were lost {log['gaps']} times before Towline saw them",
                _lost(log),
            )
        if log.get("nonBlocking"):
            yield Finding(
                "non_blocking",
                WARNING,
                name,
                "Docker drops its lines when it is busy (mode=non-blocking)",
                "use mode=blocking, or a larger max-buffer-size",
            )
        ahead = int(log.get("lastAt") or 0) - look.now
        if ahead > AHEAD:
            yield Finding(
                "clock",
                WARNING,
                name,
                f"its lines are {ahead // 1000} s ahead of this machine's clock",
                "set both clocks by NTP: a query by time may miss such lines",
            )


def _lost(log: Row) -> str:
    if log.get("rotated"):
        return "give its log more room: `max-size`, `max-file`; or mount the containers folder"
    return "look at the records with `gap`: each says why"


def _same_names(look: Look) -> Iterator[Finding]:
    """Containers of several sources that count as one: identity is device and name."""
    sources: dict[tuple[Any, Any], set[str]] = {}
    for row in look.containers:
        identity = row.get("device"), row.get("origin") or row["name"]
        sources.setdefault(identity, set()).add(str(row.get("source")))
    for (_, name), found in sources.items():
        if len(found) > 1:
            text = f"the sources {' and '.join(sorted(found))} have a container of this name"
            remedy = "set `sources.<name>.device` for the engine of another machine, or exclude it"
            yield Finding("same_name", WARNING, str(name), f"{text}: they count as one", remedy)


def _store(look: Look) -> Iterator[Finding]:
    part = look.status.get("store", {})
    if part.get("state") == "degraded":
        yield Finding(
            "store",
            ERROR,
            "store",
            f"records are kept in memory only: {part.get('reason')}",
            "make room, or let the retention keep less (`store.retention`)",
        )
    if count := _counter(part, "unwritten"):
        yield Finding(
            "unwritten",
            ERROR,
            "store",
            f"{count} records left memory before the disk took them",
            "make room on the disk, or keep more in memory (`store.memory`)",
        )


def _steps(look: Look) -> Iterator[Finding]:
    part = look.status.get("pipeline", {})
    for name, count in (part.get("counters") or {}).items():
        if count and name.startswith(("drop", "limit", "fold", "sample")):
            yield Finding(
                "pipeline",
                NOTE,
                "pipeline",
                f"{count} lines went by {name.replace('_', ' ')}",
                "see `pipeline.drop` and `pipeline.limits`",
            )


def _brokers(look: Look) -> Iterator[Finding]:
    for key, part in _room(look, "brokers"):
        if part.get("state") == "degraded":
            remedy = (
                f"`towline mqtt test {key.partition('.')[2]}` shows step by step where it fails"
            )
            yield Finding("broker_away", ERROR, key, str(part.get("reason")), remedy)


def _backends(look: Look) -> Iterator[Finding]:
    for row in look.backends:
        name = f"backends.{row['name']}"
        lag, counters = int(row.get("lag") or 0), row.get("counters") or {}
        if row.get("paused"):
            remedy = f"`towline resume {row['name']}`"
            yield Finding("paused", WARNING, name, f"it is paused, {lag} records behind", remedy)
        elif row.get("state") == "degraded":
            text = f"it does not deliver, {lag} records behind: {row.get('reason')}"
            remedy = "what it has not got is kept as long as the retention keeps it"
            yield Finding("backend_away", ERROR, name, text, remedy)
        elif lag > BEHIND:
            remedy = "let it send larger batches (`batch`), or send it less (`routes`)"
            yield Finding("behind", WARNING, name, f"it is {lag} records behind", remedy)
        for counter, (text, remedy) in _BACKEND_COUNTERS.items():
            if count := int(counters.get(counter, 0)):
                yield Finding(counter, WARNING, name, text.format(count), remedy)


_BACKEND_COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "missed": (
        "{} records were gone before it got them",
        "keep records longer (`store.retention`) than it may be away",
    ),
    "rejected": (
        "{} records were refused and set aside",
        "`dead/` in the data folder holds them, each with its reason",
    ),
    "discarded": ("{} refused records could not be kept", "make room on the disk"),
}


def _room(look: Look, room: str) -> Iterable[tuple[str, Row]]:
    return ((key, part) for key, part in look.status.items() if key.startswith(f"{room}."))


def _counter(part: Row, name: str) -> int:
    return int((part.get("counters") or {}).get(name, 0))


EXAMINATIONS: Final[Sequence[Callable[[Look], Iterator[Finding]]]] = (
    _configuration,
    _sources,
    _containers,
    _same_names,
    _store,
    _steps,
    _brokers,
    _backends,
)
