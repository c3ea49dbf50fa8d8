"""What a change means for the parts: those it names restart, and no others; or all is undone."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path

import httpx
import pytest

from tests.integration.reload_rig import APPLIED, BATCH, PATIENCE, ROLLED_BACK, counting
from tests.integration.reload_watchers import Viewer
from tests.real.broker import Broker, free_port
from tests.real.containers import Containers
from tests.real.engine import Engine
from tests.real.until import auntil

EVERYTHING = ("backends.kept", "brokers.home", "brokers.other", "sources.docker", "api", "state")


async def test_how_long_and_what_is_kept_changes_without_any_restart(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        await rig.save(
            more="pipeline: {redact: [{pattern: 'hunter[0-9]', with: '***'}]}\n"
            "store: {retention: {max_age: 1h}, memory: 500}\n"
        )
        assert (await rig.ended(1))["changed"] == ["pipeline", "retention"]
        assert rig.towline.store.memory_offset > 0 or rig.towline.store.next_offset < 500
        await rig.flowing("kept")
        rig.untouched(before, but=("pipeline", "retention"))
        assert rig.towline.parts()["backends.moved"] is before.parts["backends.moved"]
        await rig.complete("one")


async def test_another_choice_of_containers_restarts_their_source_and_no_line_is_lost(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        for count, name in enumerate(("nobody", "nothing", "none")):
            await rig.save(docker=f", exclude: [{{name: {name}}}]")
            await rig.ended(count + 1)
            await rig.flowing("kept")
        rig.untouched(before, but=("sources.docker",))
        assert [entry["changed"] for entry in rig.entries()] == [["sources.docker"]] * 3
        await rig.complete("one")


async def test_another_device_restarts_what_speaks_in_its_name_and_no_line_is_lost(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        await rig.save(device="other")
        assert set((await rig.ended(1))["kept"]) == {"pipeline", "retention", "routes"}
        await rig.flowing("kept", 500)
        rig.untouched(before, but=EVERYTHING)
        await auntil(lambda: rig.viewer.closed, PATIENCE)
        assert rig.viewer.closed == (1001, "the server stops")
        newest = (await rig.towline.store.query(rig.newest(1))).records[0]
        assert newest.origin.device == "other"
        await rig.complete("one", repeats=BATCH)


async def test_a_broker_that_is_down_does_not_keep_a_change_from_being_applied(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    late = Broker(tmp_path / "late")
    async with counting(engine, broker, containers, tmp_path, other=late.url) as rig:
        before = rig.snapshot()
        await auntil(lambda: rig.towline.status()["backends.moved"]["counters"], PATIENCE)
        await rig.save(topic="two")
        assert (await rig.ended(1))["changed"] == ["backends.moved"]
        await rig.flowing("kept")
        await rig.save(topic="two", other=broker.url)
        assert (await rig.ended(2))["changed"] == ["backends.moved", "brokers.other"]
        await rig.flowing("two")
        rig.untouched(before, but=("brokers.other",))
        await rig.complete("two")


async def test_another_port_opens_before_the_old_one_closes_and_viewers_end_cleanly(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before, port = rig.snapshot(), free_port()
        text = rig.text.but(port=port)
        answer = await rig.asked("PUT", "/config", content=text, headers={"If-Match": "*"})
        assert answer.json()["changed"] == ["api"]
        await auntil(lambda: rig.viewer.closed, PATIENCE)
        assert rig.viewer.closed == (1001, "the server stops")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", rig.text.port))
        async with Viewer(rig.stream(port, after=rig.viewer.last_id)) as again:
            await rig.flowing("kept", 500)
            rig.untouched(before, but=("api",))
            await rig.complete("one")
            written = rig.arrived("kept")
            await auntil(lambda: written[-1] in again.numbers[-9:], PATIENCE)
            assert rig.viewer.numbers + again.numbers == written


async def test_who_asks_for_another_api_on_the_same_port_is_answered_and_nobody_is_refused(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        digest = hashlib.sha256(b"a token").hexdigest()
        text = rig.text.but(api=f", tokens: [{{name: a, hash: {digest}}}]")
        bearer = {"Authorization": "Bearer no token of ours"}
        assert (await rig.asked("GET", "/status", headers=bearer)).status_code == 200
        knocking = asyncio.create_task(knock(rig.url + "/health"))
        answer = await rig.asked("PUT", "/config", content=text, headers={"If-Match": "*"})
        assert answer.json()["changed"] == ["api"]
        await auntil(lambda: rig.viewer.closed, PATIENCE)
        await rig.flowing("kept")
        knocking.cancel()
        await asyncio.gather(knocking, return_exceptions=True)
        assert knocking.cancelled(), knocking.exception()
        assert (await rig.asked("GET", "/status", headers=bearer)).status_code == 401
        rig.untouched(before, but=("api",))
        await rig.complete("one")


async def knock(url: str) -> None:
    """Ask for ever, each time over a new connection; whatever goes wrong is raised."""
    while True:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            (await client.get(url)).raise_for_status()


async def test_a_port_that_is_taken_rolls_everything_back(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    async with counting(engine, broker, containers, tmp_path) as rig:
        before = rig.snapshot()
        await rig.save(topic="two", port=broker.port)
        ended = await rig.ended(1)
        assert (ended["outcome"], ended["component"]) == (ROLLED_BACK, "api")
        assert ended["reason"] == f"127.0.0.1:{broker.port} is taken"
        await rig.flowing("kept")
        rig.untouched(before)
        assert rig.towline.parts() == before.parts
        await rig.save(topic="two")
        await rig.flowing("two")
        await rig.complete()
        assert rig.outcomes() == [ROLLED_BACK, APPLIED]


async def test_a_change_that_makes_a_backend_fail_is_taken_back_and_no_line_is_lost(
    engine: Engine, broker: Broker, containers: Containers, tmp_path: Path
) -> None:
    watch = "apply: {watch: 1s}\n"
    async with counting(engine, broker, containers, tmp_path, more=watch) as rig:
        before = rig.snapshot()
        await rig.save(topic="two", other=f"mqtt://127.0.0.1:{free_port()}")
        await rig.ended(2)
        assert rig.outcomes() == [APPLIED, ROLLED_BACK]
        await rig.flowing("one")
        rig.untouched(before, but=("brokers.other",))
        assert rig.towline.status()["configuration"]["state"] == "degraded"
        await rig.complete("one", repeats=BATCH)
