"""Whatever a store holds, however its index was damaged: queries find what a plain look finds."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.store.rig import MS, WEB, Rig, opened
from towline.config.settings import Match
from towline.pipeline.encode import encode, template_of
from towline.record import LEVELS, Line, Origin, OriginType, Record, time_text
from towline.store import codec
from towline.store.query import Filter, Query

ORIGINS = (
    WEB,
    Origin(type=OriginType.CONTAINER, name="api", device="pi", service="api", service_id=2),
    Origin(type=OriginType.HOST, name="ssh.service", device="nas", app="error"),
    Origin(type=OriginType.SYSTEM, name="towline", device="pi", source="towline"),
    Origin(type=OriginType.DEVICE, name='a "quoted" \\ näme', device="pi", container="c-1"),
)
PIECES = (
    *("timeout", "Timeout", "TIMEOUT", "error", "ERROR", "info", "web", "message", "order=17"),
    *(
        "ä",
        "Ä",
        "İ",
        "ß",
        "\u212a",
        "\u017f",
        '"',
        "\\",
        "\\n",
        "\n",
        "\t",
        "\x7f",
        "\x1b",
        "\u2028",
        "/",
    ),
    *(" ", "  ", "i", "a", "I", '{"ms":3}', '","timestamp":', "\\u0041", "€", "😀", "."),
)
TEXTS = (
    *("timeout", "Timeout", "error", "info", "web", '"', "\\", "\n", "\\n", "ä", "Ä", "i", "ms"),
    *("k", "s", "i", "hi", '":3', "er", "nowhere", " ", "\t", "\x7f", "order=17", "€", "timestamp"),
)
PATTERNS = (
    *("timeout", "(?i)TIMEOUT", "^timeout", "timeout$", "^$", "t.m", r"order=\d+", r"\bweb\b"),
    *(r"[^a]r", r"\s", r"\S+ \S+", r"\W", '"', r"\\", r"\\n", r"\n", "a.i", "[ -~]", "[\\t]", "x*"),
    *("(?:web|api).*error", r"(?s)error.*web", r"\pL\d", r"[[:space:]]", r"[\x00-\x1f]", r"\t"),
    *(r"\Qms\E", r"\x41", "er{2}", "er{1,}o", "[!-~]{3}", "ä|€", "(?i)ä", r"[A-z]:", "(?m)^web$"),
    *(r"\z", r"\A\.", "(?P<name>web)", "[^[:alpha:]]i", '[a"]:', r"[\]\\]", "(?U)w.*b", "😀"),
)


def some_records(dice: random.Random, count: int, offset: int, clock: list[int]) -> list[Record]:
    """Records of one origin."""
    made = []
    for _ in range(count):
        clock[0] += dice.choice((-500, 0, 1000, 1000, 3000))
        text = "".join(dice.choices(PIECES, k=dice.randrange(7)))
        line = Line(text, time_text(clock[0] * 1_000_000), clock[0], level=dice.choice(LEVELS))
        line.stderr = dice.random() < 0.3
        line.fields = dice.choice(("", "", '{"ms":3}', '{"kind":"web"}'))
        made.append(line)
    return encode(template_of(dice.choice(ORIGINS)), made, offset)


def some_query(dice: random.Random, made: list[Record]) -> Query:
    """A query with a few conditions, most of which something fits."""

    def maybe(chance: float) -> bool:
        return dice.random() < chance

    when = dice.choice(made).timestamp
    match = Match(
        name=(dice.choice(("web", "api", "ssh*", "*", "none")),) if maybe(0.3) else (),
        level=tuple(dice.sample(LEVELS, 2)) if maybe(0.3) else (),
        min_level=dice.choice(LEVELS) if maybe(0.15) else "",
        stream=(dice.choice(("stdout", "stderr")),) if maybe(0.2) else (),
        regex=dice.choice(PATTERNS) if maybe(0.45) else "",
        fields=(("ms", "3"),) if maybe(0.1) else (),
        negated=Match(level=("info",)) if maybe(0.1) else None,
        alternatives=(Match(name=("web",)), Match(level=("error",))) if maybe(0.1) else (),
    )
    return Query(
        match=match,
        text=dice.choice(TEXTS) if maybe(0.35) else "",
        without=dice.choice(TEXTS) if maybe(0.1) else "",
        since=when if maybe(0.2) else None,
        until=when + dice.randrange(40_000) if maybe(0.2) else None,
        after=dice.choice(made).offset if maybe(0.15) else None,
        before=dice.choice(made).offset + 1 if maybe(0.15) else None,
        service_id=(2,) if maybe(0.05) else (),
        source_type=("container", "host") if maybe(0.1) else (),
    )


async def fill(rig: Rig, dice: random.Random, clock: list[int], *, files: int) -> list[Record]:
    """Some closed files, and more in the open one and in memory."""
    made: list[Record] = []
    for number in range(files + 1):
        rig.store.files.compression = dice.choice(("zstd", "zstd", "gzip", "none"))
        for _ in range(dice.randrange(1, 12)):
            batch = some_records(dice, dice.randrange(1, 9), rig.store.next_offset, clock)
            rig.store.append(batch)
            made += batch
        rig.store.flush()
        if number < files:
            rig.store.files.roll()
            await rig.store.files.settle()
    return made


def damage(folder: Path, dice: random.Random) -> None:
    """Each index is left alone, lost, cut, overwritten, of an older format, or of another file."""
    paths = sorted((folder / "logs").glob("*.index"))
    texts = {path: path.read_text(errors="replace") for path in paths}
    for path, text in texts.items():
        kind = dice.randrange(8)
        if kind == 1:
            path.unlink()
        elif kind == 2:
            path.write_text(text[: dice.randrange(len(text) + 1)])
        elif kind == 3:
            path.write_bytes(dice.randbytes(dice.randrange(200)))
        elif kind == 4 and text.startswith('{"count"'):
            path.write_text(older(text))
        elif kind == 5:
            path.write_text(dice.choice(list(texts.values())))
        elif kind == 6:
            path.write_text(text.replace('"error"', '"info"'))


def older(text: str) -> str:
    """An index as the format before this one had it."""
    facts = json.loads(text.partition("\n")[0])
    members = ("count", "last", "oldest", "newest", "levels", "names")
    return json.dumps({name: facts[name] for name in members})


async def answered(rig: Rig, query: Query) -> list[Record]:
    """All pages of a query."""
    found: list[Record] = []
    while True:
        page = await rig.store.query(query)
        found += page.records
        assert len(page.records) <= query.limit
        if page.next is None:
            return found
        if query.newest_first:
            query = replace(query, before=page.next)
        else:
            query = replace(query, after=page.next)


async def check(rig: Rig, dice: random.Random, made: list[Record]) -> None:
    """One query, in both orders, in one page and in many, and counted."""
    query = some_query(dice, made)
    wanted = list(filter(Filter(query), made))
    for newest_first in (True, False):
        for limit in (1000, dice.randrange(1, 9)):
            asked = replace(query, limit=limit, newest_first=newest_first)
            found = await answered(rig, asked)
            expected = wanted[::-1] if newest_first else wanted
            assert [each.json for each in found] == [each.json for each in expected], asked
    assert await rig.store.count(query) == len(wanted), query
    width = dice.choice((1000, 7000, 60_000, 1 << 50))
    buckets = await rig.store.histogram(query, width)
    counted = {(b.start_ms, level): n for b in buckets for level, n in b.counts.items()}
    assert counted == Counter((r.timestamp // width * width, r.level) for r in wanted), query


@pytest.mark.parametrize("seed", range(30))
async def test_queries_find_what_a_plain_look_finds(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(codec, "BLOCK", dice.choice((300, 2000, 5000, 1 << 20)))
    clock = [MS]
    memory = dice.choice((1, 10, 60, 1000))
    async with opened(tmp_path, memory=memory) as rig:
        made = await fill(rig, dice, clock, files=dice.randrange(5))
        for _ in range(6):
            await check(rig, dice, made)
    damage(tmp_path, dice)
    async with opened(tmp_path, memory=memory) as rig:
        for _ in range(6):
            await check(rig, dice, made)
        made += await fill(rig, dice, clock, files=1)
        damage(tmp_path, dice)
        for _ in range(6):
            await check(rig, dice, made)


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("seed", range(4))
async def test_pages_hold_while_records_come_and_retention_takes_files(
    tmp_path: Path, seed: int, newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(codec, "BLOCK", 1000)
    async with opened(tmp_path, memory=10) as rig:
        made = await fill(rig, dice, [MS], files=6)
        query = Query(match=Match(level=("error", "info")), limit=3, newest_first=newest_first)
        wanted = Filter(query)
        found: list[Record] = []
        removed = 0
        while True:
            page = await rig.store.query(query)
            found += page.records
            if page.next is None:
                break
            rig.store.append(some_records(dice, 2, rig.store.next_offset, [MS]))
            if dice.random() < 0.2 and len(rig.store.segments) > 3:
                removed = rig.store.segments[0].facts.last
                await rig.store.drop(rig.store.segments[0])
            await asyncio.sleep(0)
            if newest_first:
                query = replace(query, before=page.next)
            else:
                query = replace(query, after=page.next)
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets), reverse=newest_first)
        kept = {each.offset for each in made if each.offset > removed and wanted(each)}
        assert kept <= set(offsets)
