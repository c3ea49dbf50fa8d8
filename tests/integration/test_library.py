"""The library on a real engine, and the example in the documentation as it stands there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import towline
from tests.integration.cli_run import environment
from tests.real.broker import free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from towline.errors import ConfigError, NotFound, QueryError, SourceError, StoreError

ROOT = Path(__file__).parents[2]
NUMBERS = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done"


async def messages(log: towline.Log, **filters: str) -> list[str]:
    page = await log.query(limit=10_000, newest_first=False, **filters)  # type: ignore[arg-type]
    return [record.message for record in page.records]


async def test_what_is_written_is_found_again_after_the_store_was_closed(tmp_path: Path) -> None:
    async with towline.open_store(tmp_path / "data", device="pi") as log:
        log.system("backup began")
        log.manager("routing changed", level="warn")
    async with towline.open_store(tmp_path / "data") as log:
        page = await log.query()
        assert [record.message for record in page.records] == ["routing changed", "backup began"]
        assert [record.level for record in page.records] == ["warn", "info"]
        assert {record.origin.device for record in page.records} == {"pi"}
        assert await messages(log, source_type="manager") == ["routing changed"]


async def test_pages_follow_on_and_filters_narrow(tmp_path: Path) -> None:
    async with towline.open_store(tmp_path) as log:
        for number in range(10):
            log.system(f"step {number}", level="warn" if number % 2 else "info")
        first = await log.query(limit=6)
        rest = await log.query(limit=6, before=first.next)
        assert [record.message for record in [*first.records, *rest.records]] == [
            f"step {number}" for number in reversed(range(10))
        ]
        assert rest.next is None
        assert await log.count(level=["warn"]) == 5
        assert await log.count(min_level="warn", text="step 3") == 1
        assert await log.count(without="step", source_type="system") == 0
        hour = timedelta(hours=1)
        assert await log.count(since=datetime.now(UTC) - hour) == 10
        assert await log.count(since=datetime.now() + hour) == 0
        assert await log.count(until="1h") == 0


async def test_who_follows_gets_what_comes_from_the_call_on(tmp_path: Path) -> None:
    async with towline.open_store(tmp_path) as log:
        log.system("before")
        new = log.follow(min_level="warn")
        log.system("quiet")
        log.system("loud", level="error")
        assert (await anext(new)).message == "loud"
        later = asyncio.ensure_future(anext(new))
        log.manager("later", level="warn")
        assert (await later).message == "later"


async def test_clean_up_removes_what_is_too_old(tmp_path: Path) -> None:
    async with towline.open_store(tmp_path) as log:
        log.system("old")
        await log.sync()
        assert await log.clean_up(max_age="1h") == 0
        await asyncio.sleep(0.002)
        assert await log.clean_up(max_age="1ms") == 1
        log.system("new")
    async with towline.open_store(tmp_path) as log:
        assert await messages(log) == ["new"]


async def test_mistakes_are_told_in_words(tmp_path: Path) -> None:
    async with towline.open_store(tmp_path) as log:
        with pytest.raises(ValueError, match="expected one of trace, debug"):
            log.system("x", level="loud")
        with pytest.raises(QueryError, match="did you mean"):
            await log.query(levle="warn")  # type: ignore[call-arg]
        with pytest.raises(QueryError, match="since: "):
            await log.count(since="soon")
        with pytest.raises(ConfigError, match=r"^expected a duration"):
            await log.clean_up(max_age="soon")
        with pytest.raises(ConfigError, match="expected unix:///"):
            await log.attach("web", docker="nowhere")
        with pytest.raises(SourceError, match=r"cannot be reached: .*127\.0\.0\.1"):
            await log.attach("web", docker=f"tcp://127.0.0.1:{free_port()}")
        with pytest.raises(StoreError, match="another Towline uses the data folder"):
            async with towline.open_store(tmp_path):
                pass


async def test_an_exception_of_the_caller_stays_what_it_is(tmp_path: Path) -> None:
    async def fail() -> None:
        async with towline.open_store(tmp_path) as log:
            log.system("kept")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()
    async with towline.open_store(tmp_path) as log:
        assert await messages(log) == ["kept"]


async def test_a_container_is_read_whole_and_goes_on_where_it_was_left(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    containers.run(NUMBERS, name="library-web")
    containers.run(NUMBERS, name="library-other")
    for _ in range(2):
        async with towline.open_store(tmp_path) as log:
            new = log.follow(service="shop")
            await log.attach("library-web", docker=engine.host, service="shop")

            for _ in range(20):
                await anext(new)
            found = await messages(log, service="shop")
            assert found == [f"line {number}" for number in range(1, len(found) + 1)]
            assert await messages(log, container="library-other") == []


async def test_a_container_that_was_just_started_can_be_attached_and_detached(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    async with towline.open_store(tmp_path) as log:
        with pytest.raises(NotFound, match="no container 'library-new'"):
            await log.attach("library-new", docker=engine.host)
        await asyncio.to_thread(containers.run, NUMBERS, name="library-new")
        await log.attach("library-new", docker=engine.host)
        await anext(log.follow(container="library-new"))
        await log.detach("library-new", docker=engine.host)
        count = await log.count(container="library-new")
        await log.sync()
        assert await log.count(container="library-new") == count


def test_the_example_of_the_documentation_works(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    script = "echo all well; sleep 0.2; echo ERROR no disk >&2; sleep 60"
    containers.run(script, name="library-example")
    example = ROOT / "docs" / "examples" / "library.py"
    done = subprocess.run(
        [sys.executable, str(example), "library-example", str(tmp_path)],
        env=environment(DOCKER_HOST=engine.host),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "first: info all well"
    assert "warn towline routing changed" in lines
    assert lines[-2].startswith("stored: ")
    assert lines[-1] == "removed: 0"


def test_the_documentation_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "library.md").read_text()
    example = (ROOT / "docs" / "examples" / "library.py").read_text()
    body = example[example.index("    async with") : example.index("\n\nif __name__")].strip("\n")
    assert body in page
