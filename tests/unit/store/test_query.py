import asyncio
import random
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.store.rig import MS, WEB, Rig, messages, opened, records
from towline.config.settings import Match
from towline.pipeline.encode import encode, template_of
from towline.record import LEVELS, RANK, Line, Origin, OriginType, Record
from towline.store.query import Bucket, Filter, Query

API = replace(
    WEB, name="api", service="api", service_id=2, container_id="abcdef0123456789", project="shop"
)
HOST = Origin(type=OriginType.HOST, name="ssh", device="pi")


def mixed(rig: Rig, count: int, *, roll: int = 0) -> list[Record]:
    """Records of three origins and all levels; a file is closed after every `roll` of them."""
    made: list[Record] = []
    for number in range(count):
        origin = (WEB, API, HOST)[number % 3]
        made += rig.add(1, origin=origin, level=LEVELS[number % 6], stderr=number % 2 == 1)
        if roll and number % roll == roll - 1:
            rig.store.flush()
            rig.store.files.roll()
    return made


async def pages(rig: Rig, query: Query, *, during: int = 0) -> list[Record]:
    """Every page of a query, one after the other; `during` records are appended between pages."""
    found: list[Record] = []
    while True:
        page = await rig.store.query(query)
        assert len(page.records) <= query.limit
        found += page.records
        if page.next is None:
            return found
        if during:
            rig.add(during)
        if query.newest_first:
            query = replace(query, before=page.next)
        else:
            query = replace(query, after=page.next)


QUERIES = [
    Query(),
    Query(match=Match(name=("api",))),
    Query(match=Match(level=("error", "fatal"))),
    Query(match=Match(min_level="warn")),
    Query(match=Match(stream=("stderr",))),
    Query(match=Match(regex="[37]$")),
    Query(match=Match(negated=Match(name=("web",)))),
    Query(text="line 4"),
    Query(without="7"),
    Query(since=MS + 20_000, until=MS + 50_000),
    Query(since=MS + 1_000_000),
    Query(until=MS),
    Query(service_id=(2,)),
    Query(container_id=("abcdef0123456789",)),
    Query(container_id=("abcdef012345",)),
    Query(source_type=("host", "system")),
]


def fits(query: Query, record: Record) -> bool:
    """What a query means, said plainly."""
    match, origin = query.match, record.origin
    return (
        (not match.name or origin.name in match.name)
        and (not match.level or record.level in match.level)
        and (not match.min_level or RANK[record.level] >= RANK[match.min_level])
        and (not match.stream or record.stderr)
        and (not match.regex or record.message[-1] in "37")
        and (not match.negated or origin.name != "web")
        and (not query.text or query.text in record.message)
        and (not query.without or query.without not in record.message)
        and (query.since is None or record.timestamp >= query.since)
        and (query.until is None or record.timestamp < query.until)
        and (not query.service_id or origin.service_id == 2)
        and (not query.container_id or origin.name == "api")
        and (not query.source_type or origin.type == "host")
    )


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("memory", [1, 25, 1000])
async def test_files_and_memory_answer_alike(tmp_path: Path, query: Query, memory: int) -> None:
    async with opened(tmp_path, memory=memory) as rig:
        made = mixed(rig, 80, roll=13)
        wanted = [record for record in made if fits(query, record)]
        for newest_first in (True, False):
            whole = await rig.store.query(replace(query, limit=100, newest_first=newest_first))
            assert whole.records == (wanted[::-1] if newest_first else wanted)
            assert whole.next is None
            asked = replace(query, limit=7, newest_first=newest_first)
            assert await pages(rig, asked) == whole.records
        assert await rig.store.count(query) == len(wanted)
        buckets = await rig.store.histogram(query, 10_000)
        assert sum(sum(bucket.counts.values()) for bucket in buckets) == len(wanted)


@given(
    memory=st.integers(1, 40),
    limit=st.integers(1, 30),
    count=st.integers(0, 90),
    newest_first=st.booleans(),
    during=st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
async def test_pages_are_everything_once_while_records_are_appended(
    tmp_path_factory: pytest.TempPathFactory,
    memory: int,
    limit: int,
    count: int,
    newest_first: bool,
    during: int,
) -> None:
    async with opened(tmp_path_factory.mktemp("store"), memory=memory) as rig:
        made = rig.fill(count // 30, 30) + (rig.add(count % 30) if count % 30 else [])
        query = Query(limit=limit, newest_first=newest_first)
        found = await pages(rig, query, during=min(during, limit // 2))
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets), reverse=newest_first)
        if newest_first:
            assert found == made[::-1]
        else:
            assert found[: len(made)] == made


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("seed", range(3))
async def test_a_query_during_appends_and_rolling_has_no_hole_at_the_seam(
    tmp_path: Path, seed: int, newest_first: bool
) -> None:
    dice = random.Random(seed)
    async with opened(tmp_path, memory=20) as rig:
        rig.store.files.compression = "zstd"
        rig.store.files.max_file_size = 3_000
        start = rig.store.next_offset

        async def write() -> None:
            for _ in range(150):
                rig.add(dice.randrange(1, 12))
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        while not writing.done():
            await asyncio.sleep(0)
            before = rig.store.next_offset
            query = Query(limit=100_000, newest_first=newest_first)
            page = await rig.store.query(query)
            offsets = sorted(record.offset for record in page.records)
            assert offsets[: before - start] == list(range(start, before))
            assert len(set(offsets)) == len(offsets)
            assert await rig.store.count(Query(before=before)) == before - start
        await writing


async def test_a_histogram_counts_per_bucket_and_level(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=3) as rig:
        rig.add(5)
        rig.add(2, level="error")
        rig.add(3, level="warn")
        whole = await rig.store.histogram(Query(), 1 << 50)
        assert whole == [Bucket(0, {"info": 5, "error": 2, "warn": 3})]
        each = await rig.store.histogram(Query(), 1000)
        assert [bucket.start_ms for bucket in each] == [MS + n * 1000 for n in range(10)]
        assert await rig.store.histogram(Query(text="nothing"), 1000) == []


async def test_no_records_asked_for_are_no_page(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        rig.add(3)
        page = await rig.store.query(Query(limit=0))
        assert (page.records, page.next) == ([], None)


async def test_the_last_page_has_no_next_even_when_it_is_full(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        made = rig.add(10)
        page = await rig.store.query(Query(limit=10))
        assert (len(page.records), page.next) == (10, None)
        page = await rig.store.query(Query(limit=9))
        assert page.next == made[1].offset


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("error", ["an ERROR", "an error", "Error: ä"]),
        ("ERROR", ["an ERROR"]),
        ("Error", ["Error: ä"]),
        ("ä", ["Error: ä", "Ärger"]),
        ("Ä", ["Ärger"]),
        ('say "no"', ['I say "No"', 'we say "no"']),
        ("back\\slash", ["a back\\slash"]),
        ("tab\there", ["tab\there"]),
        ("a/b", ["a/b"]),
        ("\x7f", ["del \x7f"]),
        ("absent", []),
    ],
)
@pytest.mark.parametrize("memory", [1, 100])
async def test_text_in_lower_case_is_found_in_any_case_and_a_capital_exactly(
    tmp_path: Path, text: str, found: list[str], memory: int
) -> None:
    given = ["an ERROR", "an error", "Error: ä", "Ärger", 'I say "No"', 'we say "no"',
             "a back\\slash", "tab\there", "a/b", "del \x7f", "the end"]  # fmt: skip
    async with opened(tmp_path, memory=memory) as rig:
        for message in given:
            line = Line(message, "2026-11-21T10:22:47.000000000Z", MS, level="info")
            rig.store.append(encode(template_of(WEB), [line], rig.store.next_offset))
        page = await rig.store.query(Query(text=text, newest_first=False))
        assert messages(page.records) == found
        rest = await rig.store.query(Query(without=text, newest_first=False))
        assert messages(rest.records) == [message for message in given if message not in found]


async def test_a_container_is_named_by_twelve_characters_of_its_id_but_not_by_fewer(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as rig:
        rig.add(1, origin=API)
        for text, count in (("abcdef012345", 1), ("abcdef01234", 0), ("abcdef0123456789ff", 0)):
            assert await rig.store.count(Query(container_id=(text,))) == count


def test_a_filter_decides_for_an_origin_once() -> None:
    asked: list[Origin] = []
    record = Record(1, WEB, 0, "info", False, 0, "m", b"{}")
    wanted = Filter(Query(match=Match(name=("web",))))
    of = wanted._matcher.of

    def counted(origin: Origin) -> object:
        asked.append(origin)
        return of(origin)

    wanted._matcher.of = counted  # type: ignore[method-assign, assignment]
    assert all(wanted(record) for _ in range(5))
    assert asked == [WEB]


async def test_rows_whose_members_stand_in_another_order_are_found(tmp_path: Path) -> None:
    async with opened(tmp_path, memory=1) as rig:
        rig.add(40)
        (made,) = records(1, rig.store.next_offset, level="error")
        row = made.json.replace(b'"level":"error",', b"")[:-1] + b',"level":"error"}'
        rig.store.append([msgspec.structs.replace(made, json=row)])
        rig.add(40)
        page = await rig.store.query(Query(match=Match(level=("error",))))
        assert [each.json for each in page.records] == [row]
