import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.rig import records
from towline.record import Record
from towline.store.ring import Ring


def check(ring: Ring, model: list[Record]) -> None:
    kept = model[-ring.capacity :]
    assert len(ring) == len(kept)
    assert ring.first == ring.next - len(kept)
    assert ring.slice(ring.first, len(kept)) == kept
    for start in range(len(kept) + 1):
        for limit in (0, 1, 2, len(kept) // 2, len(kept) + 3):
            assert ring.slice(ring.first + start, limit) == kept[start : start + limit]


@given(
    capacity=st.integers(1, 12),
    offset=st.integers(0, 1 << 61),
    batches=st.lists(st.integers(0, 30), max_size=12),
)
def test_a_ring_holds_the_newest_records_in_order(
    capacity: int, offset: int, batches: list[int]
) -> None:
    ring, model = Ring(capacity, offset), list[Record]()
    check(ring, model)
    for count in batches:
        batch = records(count, ring.next)
        ring.extend(batch)
        model += batch
        assert ring.next == offset + len(model)
        check(ring, model)


@given(
    capacity=st.integers(1, 10),
    other=st.integers(1, 15),
    before=st.lists(st.integers(0, 12), max_size=5),
    after=st.lists(st.integers(0, 12), max_size=5),
)
def test_a_resized_ring_keeps_the_newest_and_goes_on(
    capacity: int, other: int, before: list[int], after: list[int]
) -> None:
    ring, model = Ring(capacity, 1000), list[Record]()
    for count in before:
        batch = records(count, ring.next)
        ring.extend(batch)
        model += batch
    ring = ring.resized(other)
    model = model[-capacity:]
    check(ring, model)
    for count in after:
        batch = records(count, ring.next)
        ring.extend(batch)
        model += batch
        check(ring, model)


def test_a_slice_beyond_the_end_is_empty() -> None:
    ring = Ring(4, 10)
    ring.extend(records(2, 10))
    assert ring.slice(12, 5) == ring.slice(20, 5) == []


@given(
    capacity=st.integers(1, 12),
    batches=st.lists(st.lists(st.integers(0, 40), max_size=15), max_size=12),
    most=st.integers(1, 4000),
)
def test_a_ring_can_be_kept_to_a_number_of_bytes(
    capacity: int, batches: list[list[int]], most: int
) -> None:
    ring, model, newest = Ring(capacity, 7), list[Record](), 0
    for batch in batches:
        padded = [
            msgspec.structs.replace(record, json=record.json + b" " * pad)
            for record, pad in zip(records(len(batch), ring.next), batch, strict=True)
        ]
        ring.extend(padded)
        model += padded
        newest = sum(_sizes(padded)) if padded else newest
        ring.forget(ring.fitting(most))
        kept = ring.slice(ring.first, capacity)
        assert kept == model[len(model) - len(kept) :]
        assert ring.first == ring.next - len(kept)
        assert sum(len(record.json) for record in kept) <= max(most, newest)

    other = ring.resized(capacity + 3)
    assert other.slice(other.first, capacity) == ring.slice(ring.first, capacity)


def _sizes(records: list[Record]) -> list[int]:
    return [len(record.json) for record in records]


def test_what_is_forgotten_for_its_size_is_let_go_of() -> None:
    ring = Ring(10, 0)
    for offset in range(4):
        ring.extend(records(1, offset))
    size = ring.size // 4
    ring.forget(ring.fitting(2 * size))
    assert (ring.first, ring.next, ring.size) == (2, 4, 2 * size)
    assert [slot is None for slot in ring._slots] == [True, True, False, False]
    assert ring.fitting(0) == 3
