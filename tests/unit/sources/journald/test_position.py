from __future__ import annotations

from towline.record import Line, Origin, OriginType
from towline.sources.journald.export import Entry
from towline.sources.journald.position import BEGINNING, Position
from towline.store.tails import JOURNAL, Tail, journal_key

API = Origin(type=OriginType.CONTAINER, name="api", device="pi", container_id="c" * 64)
SSH = Origin(type=OriginType.HOST, name="ssh.service", device="pi")


def entry(number: int, series: str = "aa", **more: bytes) -> Entry:
    cursor = f"s={series};i={number:x};b=1;m=1;t=1;x=1".encode()
    return {b"__CURSOR": cursor} | {name.encode(): value for name, value in more.items()}


def line(seq: int, *, stderr: bool = False) -> Line:
    return Line("text", "time", 0, stderr, seq)


def test_numbers_grow_with_the_journal_s_own() -> None:
    position = Position(BEGINNING, {})
    position.advance(entry(5))
    first = position.seq
    position.advance(entry(9))
    assert (first, position.seq) == (JOURNAL + 5, JOURNAL + 9)


def test_a_journal_begun_anew_counts_above_the_old_one_and_notes_it() -> None:
    position = Position(BEGINNING, {})
    position.advance(entry(500))
    old = position.cursor
    noted = position.advance(entry(1, "bb"))
    assert position.seq == 2 * JOURNAL + 1 > JOURNAL + 500
    assert noted is not None
    again = Position(noted, {})
    assert again.cursor == old, "the new journal's first entry is read again"
    assert again.advance(entry(1, "bb")) is None
    assert again.seq == 2 * JOURNAL + 1


def test_a_journal_that_came_and_went_unread_does_not_lend_its_numbers() -> None:
    position = Position(BEGINNING, {})
    position.advance(entry(500))
    noted = position.advance(entry(7, "bb"))
    assert noted is not None
    again = Position(noted, {})
    again.advance(entry(1, "cc"))
    assert again.seq == 3 * JOURNAL + 1


def test_a_checkpoint_goes_on_behind_what_it_names() -> None:
    position = Position(BEGINNING, {})
    position.advance(entry(5))
    point = position.checkpoint()
    again = Position(point, {})
    assert (again.cursor, again.seq) == (position.cursor, JOURNAL + 5)


def test_a_checkpoint_stays_before_a_line_that_is_open() -> None:
    position = Position(BEGINNING, {})
    position.advance(entry(5))
    before = position.cursor
    position.advance(entry(6))
    point = position.checkpoint(before)
    assert (point.since, point.seq) == (before, JOURNAL + 5)


def test_what_the_store_has_of_an_origin_is_not_stored_again() -> None:
    tails = {
        journal_key(API.container_id or "", ""): Tail(JOURNAL + 9, (JOURNAL + 9, JOURNAL + 4)),
        journal_key("", "ssh.service"): Tail(JOURNAL + 3, (JOURNAL + 3, 0)),
    }
    position = Position(BEGINNING, tails)
    assert position.is_stored(API, line(JOURNAL + 9))
    assert not position.is_stored(API, line(JOURNAL + 10))
    assert position.is_stored(API, line(JOURNAL + 4, stderr=True))
    assert not position.is_stored(API, line(JOURNAL + 5, stderr=True))
    assert not position.is_stored(SSH, line(JOURNAL + 4))


def test_docker_s_own_count_tells_what_is_missing() -> None:
    position = Position(BEGINNING, {})

    def jumped(epoch: bytes, ordinal: int) -> int:
        counted = entry(1, CONTAINER_ID_FULL=b"c", CONTAINER_LOG_EPOCH=epoch)
        return position.jumped(counted | {b"CONTAINER_LOG_ORDINAL": b"%d" % ordinal})

    assert jumped(b"e1", 5) == 0
    assert jumped(b"e1", 6) == 0
    assert jumped(b"e1", 10) == 3
    assert jumped(b"e2", 1) == 0
    assert position.jumped(entry(1, CONTAINER_ID_FULL=b"c")) == 0
