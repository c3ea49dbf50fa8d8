"""`towline preview`: stored records run through a file that is not in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from towline.client.remote import Remote
from towline.commands.files import settings_of
from towline.commands.rows import plain, visible
from towline.config.settings import Match, Settings
from towline.errors import ConfigError
from towline.runtime.configuration import LAST_GOOD
from towline.runtime.preview import Present, Preview
from towline.store.folder import Folder, Labels

PAGE: Final = 5000
"""Records held at once."""

LONGEST: Final = 160
"""Characters of a sample's message."""

Found = Mapping[str, Any]


def from_remote(remote: Remote, settings: Settings, last: str, limit: int) -> Found:
    """Run what a running Towline has stored through a file's settings."""
    try:
        present = Present.parse(remote.get("config/routes"))
    except (LookupError, ValueError) as exc:
        raise remote.stranger("routes that are none") from exc
    labels: Labels = {}
    matches = [route.match for route in (*settings.routes, *present.routes)]
    matches += [alert.match for alert in settings.alerts.values()]
    if any(map(_looks_at_labels, matches)):
        found = remote.get("containers/labels")["labels"]
        labels = {key: tuple(sorted(pairs.items())) for key, pairs in found.items()}
    preview = Preview(settings, present, labels)
    for rows in _pages(remote, last, limit):
        preview.add(rows)
    return preview.as_json()


def last_good(
    data: Path, environment: Mapping[str, str], folder: Path | None, place: Path
) -> Present | None:
    """What was in force, by the last text in a data folder that worked.

    Read in the place of the file that is tried, where its secrets are; None if that fails.
    """
    try:
        text = settings_of(data / LAST_GOOD, environment, folder, place=place)
    except ConfigError:
        return None
    return Present.of(text)


def from_folder(
    data: Path, settings: Settings, present: Present | None, since: int, limit: int
) -> Found:
    """Run what a data folder holds; `StoreError` when it is none."""
    folder = Folder(data)
    preview = Preview(settings, present, folder.labels())
    for rows in folder.pages(since, limit, PAGE):
        preview.add(rows)
    return preview.as_json()


def _looks_at_labels(match: Match | None) -> bool:
    """Whether a match looks at labels, which records do not carry."""
    if match is None:
        return False
    below = (match.negated, *match.alternatives)
    return bool(match.label) or any(_looks_at_labels(each) for each in below)


def _pages(remote: Remote, last: str, limit: int) -> Iterator[list[bytes]]:
    """The newest records, the newest page first, each page oldest first."""
    left, before = limit, ""
    while left > 0:
        asked = {"since": last, "order": "desc", **({"before": before} if before else {})}
        page = remote.page(asked, min(left, PAGE))
        yield page.rows[::-1]
        left -= len(page.rows)
        before = page.next
        if not before:
            return


def report(found: Found, file: Path, form: str) -> str:
    """What `preview` prints: `text` for people, `json` for programs."""
    if form == "json":
        return json.dumps(found, indent=2, ensure_ascii=False)
    if not found["records"]:
        return "no records: nothing to try the file on"
    since, until = (_time(found[key]) for key in ("since", "until"))
    lines = [f"{found['records']} records from {since} to {until} through {file}", ""]
    lines += _backends(found["backends"])
    blocks = list(_blocks(found))
    return "\n".join(lines + [line for block in blocks for line in ["", *block]])


def _backends(backends: Found) -> Iterator[str]:
    """Records per backend, now and then."""
    width = max((len(name) for name in backends), default=0)
    width = max(width, len("backend"))
    yield f"{'backend':<{width}}  {'now':>9}  {'then':>9}"
    for name, each in backends.items():
        now = "?" if each["now"] is None else each["now"]
        mark = "" if not each["gained"]["count"] else f"  +{each['gained']['count']}"
        mark += "" if not each["lost"]["count"] else f"  -{each['lost']['count']}"
        yield f"{name:<{width}}  {now:>9}  {each['then']:>9}{mark}"


def _blocks(found: Found) -> Iterator[list[str]]:
    """What would be otherwise than now, each with samples."""
    for name, each in found["backends"].items():
        yield from _block(f"{name} would get {{}} that it does not get now", each["gained"])
        yield from _block(f"{name} would not get {{}} that it gets now", each["lost"])
    yield from _block("{} would go to no backend", found["nowhere"] if found["backends"] else {})
    yield from _block("{} would become part of another record", found["joined"])
    yield from _block("{} would be dropped", found["dropped"])
    yield from _block("{} would be above a limit", found["limited"])
    for name, each in found["alerts"].items():
        yield from _block(f"{{}} would have made the alert {name} fire", each)
    yield from _block("{} would be redacted", found["redacted"])
    yield from _block("{} would be parsed", found["parsed"])
    for each in found["levels"]:
        yield from _block(f"{{}} would be {each['after']} instead of {each['before']}", each)
    if found["damaged"]:
        yield [f"{found['damaged']} damaged rows were passed over"]


def _block(title: str, tally: Found) -> Iterator[list[str]]:
    if not tally or not tally["count"]:
        return
    rows = [
        f"    {_time(each['timestamp'])} {each['level']:<5} {visible(each['name'])} "
        f"{plain(each['message'])[:LONGEST]}"
        for each in tally["samples"]
    ]
    yield [title.format(tally["count"]), *rows]


def _time(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp / 1000):%Y-%m-%d %H:%M:%S}"
