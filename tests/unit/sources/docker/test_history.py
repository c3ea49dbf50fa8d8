from __future__ import annotations

import pytest

from tests.unit.sources.docker.docker_log import DockerLog
from tests.unit.sources.docker.rows import row
from towline.errors import SourceError
from towline.record import Line
from towline.sources.docker.catchup import CatchUp
from towline.sources.docker.history import History
from towline.sources.docker.position import Position


def rows(first: int, last: int) -> list[bytes]:
    return [row(b"%d\n" % number, ns=number) for number in range(first, last + 1)]


class Reader:
    """A container's log and what was made of it."""

    def __init__(self, log: DockerLog, *, filters_since: bool = False) -> None:
        self.log = log
        self.found: list[Line] = []
        self.position = Position("engine", "id", terminal=False)
        history = History(log.open, terminal=False)
        self.read = CatchUp(self.position, history, self.found.extend, filters_since=filters_since)

    @property
    def numbers(self) -> list[int]:
        return [int(line.text) for line in self.found if not line.system]

    @property
    def gaps(self) -> list[str]:
        return [line.text for line in self.found if line.system]


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("behind", [1, 2, 63, 64, 65, 500, 3000])
@pytest.mark.parametrize("before", [0, 1, 63, 1000])
async def test_so_many_rows_are_sound_as_stand_behind_the_damage(
    before: int, behind: int, silent: bool
) -> None:
    log = DockerLog(rows(1, before + behind), silent=silent)
    log.damage = before
    log.piece = 1 << 16
    assert await History(log.open, terminal=False).sound() == behind
    assert len(log.asked) < 40


@pytest.mark.parametrize("silent", [True, False])
async def test_rows_behind_damage_are_read_under_one_gap_and_not_asked_for_again(
    silent: bool,
) -> None:
    log = DockerLog(rows(1, 200), silent=silent)
    reader = Reader(log)
    await reader.read()
    log.rows += rows(201, 300)
    log.damage = 230
    while await reader.read():
        pass
    assert reader.numbers[:200] == list(range(1, 201))
    assert reader.numbers[-70:] == list(range(231, 301))
    assert reader.numbers == sorted(set(reader.numbers))
    assert len(reader.gaps) == 1
    for number in range(301, 1500, 200):
        log.rows += rows(number, number + 199)
        assert await reader.read() == 200
    assert len(reader.gaps) == 1
    log.asked.clear()
    assert await reader.read() == 0
    assert len(log.asked) < 4


async def test_rotation_past_the_rows_taken_last_is_one_gap() -> None:
    log = DockerLog(rows(1, 100))
    reader = Reader(log)
    await reader.read()
    log.rows = rows(151, 160)
    await reader.read()
    await reader.read()
    assert reader.numbers == [*range(1, 101), *range(151, 161)]
    assert reader.gaps == [
        "lines lost before Towline saw them (at least 1): "
        "the rows taken last are no longer in Docker's log"
    ]


async def test_an_emptied_log_is_no_gap_until_something_comes() -> None:
    log = DockerLog(rows(1, 100))
    reader = Reader(log)
    await reader.read()
    log.rows = []
    assert await reader.read() == 0
    assert reader.gaps == []
    log.rows = rows(200, 201)
    assert await reader.read() == 2
    assert len(reader.gaps) == 1


async def test_a_log_that_lost_its_end_is_read_from_there() -> None:
    log = DockerLog(rows(1, 3000))
    reader = Reader(log)
    await reader.read()
    log.rows = rows(1, 2900) + rows(3101, 3105)
    await reader.read()
    assert reader.numbers == [*range(1, 3001), *range(3101, 3106)]


async def test_since_is_asked_for_where_the_engine_only_skips_the_top() -> None:
    log = DockerLog(rows(1, 10))
    reader = Reader(log, filters_since=True)
    await reader.read()
    log.asked.clear()
    await reader.read()
    assert log.asked[0] == "tail=84&since=1795255199.000000001"


async def test_a_read_that_breaks_is_taken_up_again_where_it_broke() -> None:
    log = DockerLog(rows(1, 500))
    reader = Reader(log, filters_since=True)
    log.break_after = 200
    with pytest.raises(SourceError):
        await reader.read()
    assert reader.numbers == list(range(1, 201))
    await reader.read()
    assert reader.numbers == list(range(1, 501))
    assert reader.gaps == []
