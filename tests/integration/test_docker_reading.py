"""Real containers on a real engine, read whole and once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.integration.docker_watch import Watch
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.image import IMAGE
from tests.real.until import auntil
from towline.sources.docker import known as known_module
from towline.sources.docker import source as source_module

PARTIAL = ',"partial":true'


def _ended(watch: Watch, times: int) -> bool:
    return watch.texts("again").count("end") == times


@pytest.fixture(params=["api", "auto"])
def watch(request: pytest.FixtureRequest, engine: Engine) -> Watch:
    return Watch(engine.host, read=request.param)


async def test_containers_that_run_already_and_those_that_start_are_read(
    watch: Watch, containers: Containers
) -> None:
    containers.run("echo early; sleep 60", name="early")
    async with watch.running():
        await watch.until("early", "early")
        await asyncio.to_thread(containers.run, "echo late; sleep 60", name="late")
        await watch.until("late", "late")
        await auntil(lambda: "Container late started" in watch.said())
        assert watch.shown("late")["attached"]


async def test_a_restarted_container_goes_on_in_its_sequence(
    watch: Watch, containers: Containers
) -> None:
    containers.run("echo begin; echo end; sleep 60", name="again")
    async with watch.running():
        await watch.until("again", "end")
        for times in (2, 3):
            await asyncio.to_thread(containers.restart, "again")
            await auntil(partial(_ended, watch, times))
    assert watch.texts("again") == ["begin", "end"] * 3
    assert [line.seq for line in watch.lines("again")] == [1, 2, 3, 4, 5, 6]
    assert watch.gaps("again") == []


async def test_a_container_removed_while_it_is_read_ends_quietly(
    watch: Watch, containers: Containers
) -> None:
    script = "i=0; while true; do i=$((i+1)); echo $i; [ $((i % 50)) != 0 ] || sleep 0.01; done"
    containers.run(script, name="removed")
    async with watch.running():
        await auntil(lambda: len(watch.texts("removed")) > 100)
        await asyncio.to_thread(containers.remove, "removed")
        await auntil(lambda: not watch.shown("removed"))
        assert "Container removed was removed" in watch.said()
        await auntil(lambda: not watch.source.knows("removed"))
    texts = watch.texts("removed")
    assert texts == [str(number) for number in range(1, len(texts) + 1)]


async def test_short_jobs_that_remove_themselves_are_read_whole_or_counted(
    watch: Watch, containers: Containers
) -> None:
    script = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo $i; done; sleep 0.03"
    jobs = [f"job-{number}" for number in range(6)]
    async with watch.running():
        await watch.until_up()
        for job in jobs:
            run = ["run", "--detach", "--rm", "--network=none", f"--name={job}", IMAGE]
            await asyncio.to_thread(containers.cli, *run, "sh", "-c", script)
        await auntil(lambda: {f"Container {job} was removed" for job in jobs} <= {*watch.said()})
        await auntil(lambda: not any(watch.shown(job) for job in jobs))
    whole = [job for job in jobs if watch.texts(job) == [str(i) for i in range(1, 51)]]
    assert len(whole) + watch.source.health.counters["missed_container"] >= len(jobs)
    assert whole


async def test_a_terminals_lines_end_where_they_end(watch: Watch, containers: Containers) -> None:
    long = "head -c 40000 /dev/zero | tr '\\0' x; echo"
    containers.run(f"echo hello; {long}; echo; printf '$ '", name="tty", tty=True)
    async with watch.running():
        texts = await watch.until_ended("tty")
        assert texts == ["hello", "x" * 40_000, "", "$ "]
        await asyncio.to_thread(containers.start, "tty")
        await auntil(lambda: len(watch.texts("tty")) == 8)
        texts = await watch.until_ended("tty")
    assert texts == ["hello", "x" * 40_000, "", "$ "] * 2
    assert watch.gaps("tty") == []
    assert watch.lines("tty")[-1].extra == PARTIAL


async def test_a_driver_that_keeps_nothing_is_said_once_and_shown(
    watch: Watch, containers: Containers, caplog: pytest.LogCaptureFixture
) -> None:
    containers.run("sleep 60", name="mute", log_driver="none")
    async with watch.running():
        await auntil(lambda: watch.shown("mute").get("log", {}).get("fault"))
        await asyncio.to_thread(containers.restart, "mute")
        await auntil(lambda: watch.said().count("Container mute started") == 1)
        containers.run("echo here", name="other")
        await watch.until("other", "here")
        log = watch.shown("mute")["log"]
        assert (log["driver"], log["rotated"]) == ("none", False)
        assert log["fault"] == (
            "its log driver 'none' cannot be read back: "
            "configured logging driver does not support reading"
        )
    warnings = [found for found in caplog.records if found.message == "log cannot be read"]
    assert len(warnings) == 1


async def test_the_local_driver_is_read_like_any_other(
    watch: Watch, containers: Containers
) -> None:
    script = "echo a; head -c 40000 /dev/zero | tr '\\0' x; echo; echo b; printf end"
    containers.run(script, name="local", log_driver="local")
    async with watch.running():
        assert await watch.until_ended("local") == ["a", "x" * 40_000, "b", "end"]
    assert watch.shown("local")["log"]["rotated"]


async def test_bytes_come_through_as_docker_keeps_them(
    watch: Watch, containers: Containers
) -> None:
    script = r"""
        printf 'nul\0nul\n'; printf '\033[31mred\033[0m\n'; printf 'bad \377 utf8\n'; echo
        printf 'carriage\r\n'; printf 'a\342\200\250b\vc\fd\n'; printf '\n\n'
        head -c 1000000 /dev/zero | tr '\0' L; echo; printf 'no end'
    """
    containers.run(script, name="bytes")
    async with watch.running():
        texts = await watch.until_ended("bytes")
    kept, _ = containers.logs("bytes")
    assert "\n".join(texts).encode() == kept
    assert texts[:9] == [
        "nul\0nul",
        "\x1b[31mred\x1b[0m",
        "bad \N{REPLACEMENT CHARACTER} utf8",
        "",
        "carriage\r",
        "a\u2028b\vc\fd",
        "",
        "",
        "L" * 1_000_000,
    ]
    assert watch.lines("bytes")[-1].extra == PARTIAL


async def test_parts_of_both_streams_join_each_to_its_own_line(
    watch: Watch, containers: Containers
) -> None:
    write = "for i in 1 2 3 4 5; do head -c 100000 /dev/zero | tr '\\0' {}; echo; done"
    script = f"({write.format('o')}) & ({write.format('e')}) >&2; wait"
    containers.run(script, name="both")
    async with watch.running():
        await watch.until_ended("both")
    assert watch.texts("both", stderr=False) == ["o" * 100_000] * 5
    assert watch.texts("both", stderr=True) == ["e" * 100_000] * 5


async def test_an_excluded_container_is_read_while_somebody_views_it(
    engine: Engine, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "CENSUS", 0.1)
    tick = "i=0; while true; do i=$((i+1)); echo $i; usleep 50000; done"
    containers.run(tick, name="viewed", labels={"towline.enable": "false"})
    watch = Watch(engine.host)
    async with watch.running():
        await auntil(lambda: bool(watch.shown("viewed")))
        assert not watch.shown("viewed")["attached"]
        await watch.source.view("viewed")
        await auntil(lambda: len(watch.texts("viewed")) > 5)
        assert watch.shown("viewed")["excluded"]
        monkeypatch.setattr(known_module, "VIEWED", 0.0)
        await auntil(lambda: not watch.shown("viewed")["attached"], what="it is let go")
        monkeypatch.setattr(known_module, "VIEWED", 30.0)
        least = len(watch.texts("viewed")) + 5
        await watch.source.view("viewed")
        await auntil(lambda: len(watch.texts("viewed")) > least)
        await watch.source.detach("viewed")
        await watch.source.view("viewed")
        assert not watch.shown("viewed")["attached"]
    texts = watch.texts("viewed")
    assert texts == [str(number) for number in range(1, len(texts) + 1)]


async def test_excluded_containers_and_its_own_are_left_alone(
    engine: Engine, containers: Containers
) -> None:
    own = containers.run("echo own; sleep 60", name="own")
    labels = {"towline.enable": "false"}
    containers.run("echo excluded; sleep 60", name="excluded", labels=labels)
    watch = Watch(engine.host, own=(own,))
    async with watch.running():
        await watch.until_up()
        await asyncio.to_thread(containers.restart, "own")
        await asyncio.to_thread(containers.run, "echo read", name="read")
        await watch.until_ended("read")
        assert not watch.source.knows("own")
        assert not watch.shown("excluded")["attached"]
    assert (watch.texts("own"), watch.texts("excluded")) == ([], [])
    assert not [text for text in watch.said() if "Container own " in text]


async def test_a_container_is_attached_and_detached_by_hand(
    watch: Watch, containers: Containers
) -> None:
    script = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.05; done"
    labels = {"towline.enable": "false"}
    id_ = containers.run(script, name="by-hand", labels=labels)
    async with watch.running():
        await watch.until_up()
        await watch.source.attach(id_[:12], 7, "handmade")
        await watch.until("by-hand", "3")
        assert watch.origins["by-hand"].service == "handmade"
        assert watch.origins["by-hand"].service_id == 7
        await watch.source.detach("by-hand")
        count = len(watch.texts("by-hand"))
        assert not watch.shown("by-hand")["attached"]
        await watch.source.attach("by-hand", None, None)
        await auntil(lambda: len(watch.texts("by-hand")) > count + 2)
    texts = watch.texts("by-hand")
    assert texts == [str(number) for number in range(1, len(texts) + 1)]


async def test_a_renamed_container_goes_on_under_its_new_name(
    watch: Watch, containers: Containers
) -> None:
    script = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.02; done"
    containers.run(script, name="old-name")
    async with watch.running():
        await watch.until("old-name", "5")
        await asyncio.to_thread(containers.cli, "rename", "old-name", "new-name")
        try:
            await auntil(lambda: len(watch.texts("new-name")) > 5)
        finally:
            await asyncio.to_thread(containers.cli, "rename", "new-name", "old-name")
        before, after = watch.lines("old-name"), watch.lines("new-name")
    seqs = [line.seq for line in before + after]
    assert sorted(seqs) == list(range(1, len(seqs) + 1))
