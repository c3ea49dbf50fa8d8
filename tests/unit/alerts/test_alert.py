"""The component on a real store: what it looks at, what it runs, where it goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.real.until import auntil
from tests.unit.alerts.rig import API, NOW, WEB, alert
from tests.unit.delivery.rig import Time, settle
from towline.actions.occasion import Occasion
from towline.actions.runner import Job, Runner
from towline.alerts import alert as component
from towline.alerts.alert import Alert
from towline.alerts.watch import AlertHealth
from towline.config.patience import Patience
from towline.config.settings import Store as StoreSettings
from towline.errors import Retryable
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, time_text
from towline.store.log import Store


class Clock(Time):
    """Seconds since the epoch that pass when told."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW / 1000


class Deed:
    """An action that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.words: list[dict[str, str]] = []
        self.trouble: Callable[[], Exception | None] = lambda: None
        self.gate: asyncio.Event | None = None

    async def perform(self, occasion: Occasion) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if (error := self.trouble()) is not None:
            raise error
        self.told.append(json.loads(occasion.json))
        self.words.append(dict(occasion.words))

    @property
    def messages(self) -> list[str]:
        return [found["record"]["message"] for found in self.told if found["record"]]


class Rig:
    """A store, a clock, and alerts that can be begun and ended."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        self.deed = Deed()
        self.records: list[tuple[str, str, str]] = []

    def say(self, *texts: str, origin: Origin = WEB, ago: float = 0, fields: str = "") -> None:
        at = round((self.clock.now - ago) * 1000)
        lines = [
            Line(text, time_text(at * 1_000_000), at, level="info", fields=fields) for text in texts
        ]
        self.store.append(encode(template_of(origin), lines, self.store.next_offset))

    @asynccontextmanager
    async def running(self, *, kill: bool = False, **keys: Any) -> AsyncIterator[Alert]:
        health = AlertHealth()
        patience = Patience(timeout=1000, retry=1000)
        runner = Runner(
            "alerts.one",
            [Job(kind="deed", action=self.deed, patience=patience)],
            health,
            sleep=self.clock.sleep,
            clock=self.clock,
            chance=lambda: 1.0,
        )
        tell = self.records.append
        found = Alert(
            "one",
            alert(**keys),
            "pi",
            self.store,
            runner,
            lambda *said: tell(said),
            health,
            now=self.clock,
            sleep=self.clock.sleep,
        )
        file = self.store.path / "alerts" / "one.json"
        before = file.read_bytes() if kill else b""
        async with found:
            task = asyncio.create_task(found.run())
            await settle()
            try:
                yield found
                found.drain()
                await task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if kill:  # what was saved last is from before
            file.write_bytes(before)


@pytest.fixture(params=[False, True], ids=["memory", "files"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with Store(StoreSettings(path=tmp_path / "data", persist=request.param)) as store:
        yield Rig(store)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Store(StoreSettings(path=tmp_path / "data", persist=True)) as store:
        yield Rig(store)


async def test_it_begins_at_the_end_of_the_store(rig: Rig) -> None:
    rig.say("before")
    async with rig.running(cooldown="off") as found:
        assert rig.deed.told == []
        rig.say("after")
        await settle()
        assert rig.deed.messages == ["after"]
        assert found.lag == 0


async def test_what_it_is_told_of_says_everything(rig: Rig) -> None:
    async with rig.running(over="2 in 1m", group="service"):
        rig.say("one", "two", fields='{"code":7,"user":{"id":"x"}}')
        await settle()
    (found,) = rig.deed.told
    assert found["record"]["serviceName"] == "web"
    assert {key: found[key] for key in ("alert", "state", "count", "group", "suppressed")} == {
        "alert": "one",
        "state": "fired",
        "count": 2,
        "group": "web",
        "suppressed": 0,
    }
    words = rig.deed.words[0]
    assert words["container"] == "shop-web-1"
    assert words["fields.code"] == "7"
    assert words["fields.user"] == '{"id":"x"}'
    assert words["message"] == "two"
    ((text, level, fields),) = rig.records
    assert text == "alert one fired for web (2 times): two"
    assert level == "warn"
    assert json.loads(fields) == {"alert": "one", "state": "fired", "group": "web", "count": 2}


async def test_counters_tell_what_happened_to_records(rig: Rig) -> None:
    async with rig.running(cooldown="1m", max_age="1h") as found:
        rig.say("old", ago=4000)
        rig.say("a", "b", "c")
        await settle()
        counters = found.health.counters
        assert counters["stale"] == 1
        assert (counters["matched"], counters["fired"], counters["suppressed"]) == (3, 1, 2)
        assert found.health.as_json()["lastFired"] == NOW


async def test_when_it_is_over_the_actions_run_once_more(rig: Rig) -> None:
    async with rig.running(resolve="10s") as found:
        rig.say("bad")
        await settle()
        assert found.firing == ["shop-web-1"]
        await rig.clock.pass_(9)
        assert len(rig.deed.told) == 1
        await rig.clock.pass_(2)
        assert found.firing == []
    assert [words["service"] for words in rig.deed.words] == ["web", "web"]
    states = [(each["state"], each["record"] is None) for each in rig.deed.told]
    assert states == [("fired", False), ("resolved", True)]
    assert [level for _, level, _ in rig.records] == ["warn", "info"]
    assert rig.deed.words[1]["message"] == "alert one is over for shop-web-1"


async def test_it_goes_on_where_it_was_with_what_it_had_counted(kept: Rig) -> None:
    async with kept.running(over="3 in 1m"):
        kept.say("1", "2")
        await settle()
    kept.say("3")  # while nobody looked
    async with kept.running(over="3 in 1m"):
        await settle()
    assert kept.deed.messages == ["3"]


async def test_a_restart_does_not_fire_again_for_the_same(kept: Rig) -> None:
    async with kept.running(cooldown="off"):
        kept.say("1")
        await settle()
    async with kept.running(cooldown="off") as found:
        await settle()
        assert found.health.as_json()["lastFired"] == NOW
    assert kept.deed.messages == ["1"]


async def test_what_a_kill_took_is_counted_again_and_nothing_is_left_out(kept: Rig) -> None:
    async with kept.running(over="2 in 1m"):
        kept.say("1")
        await settle()
    async with kept.running(over="2 in 1m", kill=True):
        kept.say("2")
        await settle()
    assert kept.deed.messages == ["2"]
    async with kept.running(over="2 in 1m"):
        await settle()
    assert kept.deed.messages == ["2", "2"]


async def test_actions_that_were_left_undone_are_done_after_a_restart(kept: Rig) -> None:
    kept.deed.trouble = lambda: Retryable("broker home: away")
    async with kept.running(cooldown="10m") as found:
        kept.say("crash")
        await settle()
        assert found.health.reason == "deed: broker home: away"
    assert kept.deed.told == []
    kept.deed.trouble = lambda: None
    async with kept.running(cooldown="10m"):
        await settle()
    assert kept.deed.messages == ["crash"]
    async with kept.running(cooldown="10m"):
        await settle()
    assert kept.deed.messages == ["crash"]


async def test_a_place_that_is_too_old_is_the_end_of_the_store(kept: Rig) -> None:
    async with kept.running(cooldown="off"):
        pass
    kept.say("meanwhile")
    kept.clock.now += 7200
    kept.say("just now")
    async with kept.running(cooldown="off", max_age="1h") as found:
        await settle()
        assert found.lag == 0
    assert kept.deed.told == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"offset": "x"}', "\0" * 100])
async def test_a_damaged_place_is_the_end_of_the_store(kept: Rig, damage: str) -> None:
    async with kept.running(cooldown="off"):
        pass
    (kept.store.path / "alerts" / "one.json").write_text(damage)
    kept.say("meanwhile")
    async with kept.running(cooldown="off"):
        kept.say("after")
        await settle()
    assert kept.deed.messages == ["after"]


async def test_another_rule_counts_anew_and_goes_on_at_its_place(kept: Rig) -> None:
    async with kept.running(over="2 in 1m"):
        kept.say("1")
        await settle()
    kept.say("2")
    async with kept.running(over="2 in 2m"):
        await settle()
        assert kept.deed.told == []
        kept.say("3")
        await settle()
    assert kept.deed.messages == ["3"]


async def test_what_happens_while_it_is_switched_off_is_no_alarm_later(kept: Rig) -> None:
    async with kept.running(cooldown="off"):
        pass
    async with kept.running(cooldown="off", enabled=False) as found:
        kept.say("maintenance")
        await settle()
        assert found.health.as_json()["state"] == "up"
    async with kept.running(cooldown="off"):
        await settle()
    assert kept.deed.told == []


async def test_with_too_many_actions_under_way_it_reads_on_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(component, "AT_ONCE", 3)
    rig.deed.gate = asyncio.Event()
    async with rig.running(cooldown="off") as found:
        rig.say(*map(str, range(10)))
        await settle()
        assert found.health.counters["fired"] == 3
        assert found.lag > 0
        rig.deed.gate.set()
        await settle()
        await settle()
        assert rig.deed.messages == [str(number) for number in range(10)]
        assert found.lag == 0


async def test_its_own_records_are_not_looked_at(rig: Rig) -> None:
    own = Origin(type=OriginType.MANAGER, name="alerts", device="pi")
    async with rig.running(cooldown="off") as found:
        rig.say("alert one fired", origin=own)
        await settle()
        assert found.health.counters["matched"] == 0


async def test_the_last_lines_come_along_those_of_this_container_alone(rig: Rig) -> None:
    rig.say(*(f"web {number}" for number in range(5)), ago=10)
    rig.say("api", origin=API, ago=5)
    system = replace(WEB, type=OriginType.SYSTEM)
    async with rig.running(event="die", with_lines=3):
        rig.say("it died", origin=system, fields='{"event":"die","exitCode":1}')
        await settle()
        rig.say("a last word", ago=0.5)  # Docker tells the end before its lines are read
        rig.clock.now += 0.5
        rig.say("of the next run")
        await rig.clock.pass_(0.5)
        await auntil(lambda: rig.deed.told)
    (found,) = rig.deed.told
    assert [line["message"] for line in found["lines"]] == ["web 3", "web 4", "a last word"]
    assert rig.deed.words[0]["lines"] == "web 3\nweb 4\na last word"
    assert rig.deed.words[0]["exit_code"] == "1"


async def test_places_are_kept_soon_but_not_at_every_record(kept: Rig) -> None:
    file = kept.store.path / "alerts" / "one.json"
    async with kept.running(cooldown="off"):
        begun = file.read_bytes()
        kept.say("1")
        await settle()
        kept.say("2")
        await settle()
        assert file.read_bytes() == begun
        await kept.clock.pass_(1)
        assert json.loads(file.read_bytes())["offset"] == kept.store.next_offset


async def test_a_disk_that_refuses_harms_nothing(kept: Rig) -> None:
    (kept.store.path / "alerts").write_text("a file where a folder should be")
    async with kept.running(cooldown="off"):
        kept.say("1")
        await settle()
    assert kept.deed.messages == ["1"]


async def test_no_place_is_kept_while_an_action_is_under_way(kept: Rig) -> None:
    file = kept.store.path / "alerts" / "one.json"
    kept.deed.gate = asyncio.Event()
    async with kept.running(cooldown="1h"):
        begun = file.read_bytes()
        kept.say("1")
        await settle()
        kept.clock.now += 60
        kept.say("2")
        await settle()
        assert file.read_bytes() == begun
        kept.deed.gate.set()
        await settle()
        assert file.read_bytes() != begun


async def test_while_an_action_hangs_nothing_turns_in_circles(kept: Rig) -> None:
    async with kept.running(cooldown="off", resolve="10s"):
        kept.say("1")
        await settle()
        kept.deed.gate = asyncio.Event()
        kept.say("2")
        await settle()
        await kept.clock.pass_(5)
        assert min(kept.clock.slept) > 0
        await kept.clock.pass_(20)
        kept.deed.gate.set()
        await settle()
        await kept.clock.pass_(1)
        file = json.loads((kept.store.path / "alerts" / "one.json").read_bytes())
        assert file["offset"] == kept.store.next_offset


async def test_a_fault_of_an_action_ends_what_runs_beside_it(rig: Rig) -> None:
    rig.deed.trouble = lambda: ZeroDivisionError("a fault of ours")

    async def crash() -> None:
        async with rig.running(cooldown="off"):
            rig.say("1")
            await settle()

    with pytest.raises(ExceptionGroup):
        await crash()
