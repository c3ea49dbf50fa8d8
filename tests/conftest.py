"""Real parts for every test: one engine and one broker per run, containers per test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.real.broker import Broker
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.journal import Journal

# Nothing in a test asserts a time. CI tries the same examples every time; a search for new ones
# is for people, who can look at what it finds.
hypothesis.settings.register_profile(
    "towline",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("towline")

PARTS = {
    "engine": pytest.mark.docker,
    "broker": pytest.mark.broker,
    "journal": pytest.mark.journal,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real part, so that `-m "not docker"` leaves it out."""
    for item in items:
        for fixture in PARTS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(PARTS[fixture])


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Docker Engine that all tests share: leave it running, remove what you made."""
    with Engine(tmp_path_factory.mktemp("engine")) as running:
        running.image()
        yield running


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that all tests share: use topics of your own, leave it running."""
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """The machine's journal: write under names of your own."""
    with Journal(tmp_path_factory.mktemp("journal")) as running:
        yield running


@pytest.fixture
def containers(engine: Engine) -> Iterator[Containers]:
    """Runs containers on the shared engine and removes them after the test."""
    helper = Containers(engine.host)
    yield helper
    helper.clean()
