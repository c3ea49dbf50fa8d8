from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from towline.sources.unsaved import Unsaved

STEPS = st.lists(st.sampled_from(["emit", "ask", "save", "save older"]), max_size=60)


@given(steps=STEPS)
def test_records_beyond_the_checkpoint_on_disk_are_never_forgotten(steps: list[str]) -> None:
    """Against a list of everything: each record has its row's number and its offset."""
    unsaved = Unsaved(0)
    records: list[int] = []
    asked: list[int] = []
    on_disk = 0
    for step in steps:
        if step == "emit":
            records.append(len(records) + 1)
            unsaved.emitted(1000 + len(records))
        elif step == "ask" and records and (not asked or asked[-1] < len(records)):
            asked.append(len(records))
            unsaved.asked(asked[-1])
        elif step.startswith("save") and asked:
            on_disk = max(on_disk, asked[0] if step == "save older" else asked[-1])
            unsaved.saved(asked[0] if step == "save older" else asked[-1])
        assert unsaved.seq == on_disk
        beyond = [1000 + seq for seq in records if seq > on_disk]
        lowest = unsaved.lowest()
        assert (lowest is None) == (not beyond) or lowest is not None
        assert lowest is None or not beyond or lowest <= beyond[0]
        assert lowest is not None or not beyond


def test_what_a_checkpoint_on_disk_covers_counts_no_more() -> None:
    unsaved = Unsaved(0)
    unsaved.emitted(100)
    unsaved.asked(5)
    unsaved.emitted(200)
    assert unsaved.lowest() == 100
    unsaved.saved(5)
    assert unsaved.lowest() == 200
    unsaved.asked(9)
    unsaved.saved(9)
    assert unsaved.lowest() is None


def test_a_disk_that_never_saves_costs_no_memory() -> None:
    unsaved = Unsaved(0)
    for seq in range(1, 1000):
        unsaved.emitted(seq)
        unsaved.asked(seq)
    assert unsaved.lowest() == 1
    assert len(unsaved._marks) < 20
