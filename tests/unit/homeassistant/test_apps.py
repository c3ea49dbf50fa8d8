from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from towline.config.settings import Secret
from towline.homeassistant.apps import EVERY, PATIENCE, AppsPart
from towline.homeassistant.facts import container_state
from towline.homeassistant.listening import _failed
from towline.homeassistant.supervisor import App, Ourselves, Supervisor
from towline.record import Line, Origin
from towline.status import State

SSH = App("core_ssh", "Terminal", "started", "9.1", update_available=True)


class Told(Supervisor):
    """A Supervisor of which a test says what it tells."""

    def __init__(self, *apps: App, ourselves: Ourselves | None = None) -> None:
        super().__init__(Secret("t"), lambda path, token: (500, b""))
        self.list = apps
        self.about = ourselves or Ourselves("x", docker=False, protected=True)
        self.away = ""

    async def apps(self) -> tuple[App, ...]:
        if self.away:
            raise OSError(self.away)
        return self.list

    async def ourselves(self) -> Ourselves:
        return self.about


class Rig:
    """A part that is let go one look at a time."""

    def __init__(self, told: Told, *, socket: bool = False) -> None:
        self.now = 0.0
        self.told = told
        self.slept: list[float] = []
        self._go = asyncio.Semaphore(0)
        self._looked = asyncio.Event()
        self.told_of: list[tuple[Origin, Line]] = []
        self.part = AppsPart(
            told,
            self._emit,
            "home",
            socket=lambda: socket,
            sleep=self._sleep,
            clock=lambda: self.now,
        )

    def _emit(self, origin: Origin, lines: list[Line]) -> int:
        self.told_of += [(origin, line) for line in lines]
        return 0

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._looked.set()
        await self._go.acquire()

    async def look(self, task: asyncio.Task[None] | None = None) -> asyncio.Task[None]:
        self._looked.clear()
        self._go.release()
        task = task or asyncio.create_task(self.part.run())
        await self._looked.wait()
        return task


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": "1", "name": f"app_{name}", "origin": name, "source": "journal"} | more


class Journal:
    """A source that reads every app but one."""

    def unheard(self, container: str) -> dict[str, Any] | None:
        name = container.removeprefix("app_")
        return None if name == "core_secret" else row(name, id="")


async def completed(
    told: Told, *rows: dict[str, Any], sources: tuple[Journal, ...] = ()
) -> list[dict[str, Any]]:
    rig = Rig(told)
    task = await rig.look()
    task.cancel()
    return rig.part.completed(rows, sources)


async def test_a_container_of_the_journal_gets_state_and_version_of_its_app() -> None:
    (found,) = await completed(Told(SSH), row("core_ssh"))
    assert (found["state"], found["running"], found["version"]) == ("running", True, "9.1")
    assert found["updateAvailable"] is True
    assert found["title"] == "Terminal"


@pytest.mark.parametrize(
    ("word", "running", "problem"),
    [("started", "ON", "OFF"), ("startup", "ON", "OFF"), ("stopped", "OFF", "OFF"),
     ("error", "OFF", "ON")],
)  # fmt: skip
async def test_every_word_of_supervisor_has_a_meaning(
    word: str, running: str, problem: str
) -> None:
    app = App("core_ssh", "Terminal", word, "9.1", update_available=False)
    (found,) = await completed(Told(app), row("core_ssh"))
    state = container_state(found, loops=False)
    assert state["update_available"] == "OFF"
    assert (state["running"], state["problem"]) == (running, problem)


async def test_a_word_nobody_knows_and_a_container_that_is_no_app_have_no_state() -> None:
    app = App("core_ssh", "Terminal", "dreaming", "9.1", update_available=False)
    for found in await completed(Told(app), row("core_ssh"), row("homeassistant")):
        assert container_state(found, loops=False) == {}


async def test_an_engine_knows_the_state_better() -> None:
    (found,) = await completed(Told(SSH), row("core_ssh", state="paused", running=True))
    assert found["state"] == "paused"
    assert "stateFrom" not in found
    assert found["version"] == "9.1"


async def test_until_supervisor_has_told_nobody_speaks_of_apps_without_a_state() -> None:
    told = Told(SSH)
    told.away = "Supervisor cannot be reached"
    rig = Rig(told)
    rows = [row("core_ssh"), row("web", state="running")]
    task = await rig.look()
    assert [each["origin"] for each in rig.part.completed(rows, ())] == ["web"]
    assert str(rig.part.health.state) == State.DEGRADED
    rig.now = PATIENCE
    assert rig.part.completed(rows, ()) == rows
    told.away = ""
    await rig.look(task)
    assert rig.part.health.state == State.UP
    assert rig.part.completed(rows, ())[0]["state"] == "running"
    task.cancel()


async def test_while_supervisor_is_away_the_last_that_it_told_holds() -> None:
    rig = Rig(Told(SSH))
    task = await rig.look()
    rig.told.away = "away"
    await rig.look(task)
    assert rig.part.completed([row("core_ssh")], ())[0]["state"] == "running"
    assert rig.part.health.reason == "away"
    assert set(rig.slept) == {EVERY}
    task.cancel()


@pytest.mark.parametrize(
    ("docker", "protected", "socket", "well"),
    [
        (False, True, False, True),
        (True, True, False, False),
        (True, False, True, True),
        (True, True, True, True),
    ],
)
async def test_a_missing_socket_is_a_problem_where_protection_mode_keeps_it_away(
    docker: bool, protected: bool, socket: bool, well: bool
) -> None:
    rig = Rig(Told(ourselves=Ourselves("x", docker=docker, protected=protected)), socket=socket)
    task = await rig.look()
    task.cancel()
    assert (rig.part.health.state == State.UP) == well
    assert well or "Protection mode" in rig.part.health.reason


async def became(
    *words: str, socket: bool = False, slug: str = "core_ssh"
) -> list[tuple[str, str]]:
    """Events and levels that come of an app's states one after the other."""
    rig = Rig(Told(ourselves=Ourselves("self", docker=socket, protected=False)), socket=socket)
    task = None
    for word in words:
        rig.told.list = (App(slug, "Terminal", word, "1", update_available=False),)
        task = await rig.look(task)
    if task:
        task.cancel()
    assert {origin.name for origin, _ in rig.told_of} <= {slug}
    return [(json.loads(line.fields)["event"], line.level) for _, line in rig.told_of]


async def test_what_becomes_of_an_app_is_put_on_record() -> None:
    found = await became("started", "started", "error", "startup", "started", "stopped", "error")
    assert found == [("die", "error"), ("start", "info"), ("stop", "info")]


async def test_nothing_is_told_of_what_was_so_at_the_start_or_is_not_known() -> None:
    assert await became("error") == []
    assert await became("started", "unknown", "started") == []


async def test_an_engine_tells_by_itself_and_nobody_tells_of_towline() -> None:
    assert await became("started", "error", socket=True) == []
    assert await became("started", "error", slug="self") == []


async def test_an_app_that_failed_is_an_incident() -> None:
    rig = Rig(Told(SSH))
    task = await rig.look()
    rig.told.list = (replace(SSH, state="error"),)
    (await rig.look(task)).cancel()
    ((origin, line),) = rig.told_of
    assert (origin.type, origin.container, line.text) == (
        "system",
        "app_core_ssh",
        "App Terminal failed",
    )
    assert line.system
    assert _failed(json.loads(line.fields))


async def test_an_app_that_has_said_nothing_is_told_of_where_a_source_would_read_it() -> None:
    slugs = ("core_ssh", "core_quiet", "core_secret", "x")
    told = Told(*(replace(SSH, slug=slug, state="stopped") for slug in slugs))
    found = await completed(told, row("core_ssh"), sources=(Journal(),))
    assert [(each["origin"], each["state"]) for each in found] == [
        ("core_ssh", "exited"),
        ("core_quiet", "exited"),
    ]
