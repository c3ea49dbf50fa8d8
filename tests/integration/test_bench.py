"""Every benchmark runs, in a size that says nothing about speed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHES
from tests.bench.ground import Ground, Size
from tests.real.broker import Broker
from tests.real.engine import Engine

TINY = Size(lines=2000, rounds=1, seconds=0.5, containers=2, starts=1)
NAMES = sorted(BENCHES.keys() - {"mqtt"})
"""One has no size to make tiny."""


@pytest.fixture
def ground(tmp_path: Path, engine: Engine, broker: Broker) -> Iterator[Ground]:
    with ExitStack() as stack:
        yield Ground(tmp_path, TINY, stack, engine_=engine, broker_=broker)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("name", NAMES)
def test_benchmark_prints_full_tables(name: str, ground: Ground) -> None:
    tables = list(BENCHES[name](ground))
    assert tables
    for table in tables:
        assert table.rows
        assert "nan" not in str(table)


def test_benchmark_leaves_no_container_behind(ground: Ground) -> None:
    before = ground.containers.cli("ps", "--all", "--quiet")
    list(BENCHES["startup"](ground))
    assert ground.containers.cli("ps", "--all", "--quiet") == before
