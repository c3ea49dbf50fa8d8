from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.chromium import Browser, executable
from tests.unit.api.world import DB, WEB, World, token
from tests.unit.api.world import world as open_world
from towline.api.server import ApiServer
from towline.config.settings import Api, Token

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(executable() is None, reason="chromium is not installed"),
]
FAULTS = ((3, "first"), (9, "second"))
FRONTEND = """<!doctype html>
<html style="--primary-background-color: #111; --primary-color: rgb(9, 8, 7)">
<iframe src="PREFIX/"></iframe></html>"""
"""As Home Assistant's: colours as properties of the root, the app in a frame."""
MESSAGES = "[...document.querySelectorAll('.row .message')].map(e => e.textContent)"


@dataclass
class Scene:
    """A server, a browser looking at its page, and the world behind both."""

    world: World
    browser: Browser
    server: ApiServer

    async def open(self) -> None:
        await self.browser.goto(f"http://127.0.0.1:{self.server.address[1]}/")
        await self.browser.until("document.getElementById('live-word')?.textContent === 'Live'")

    async def shows(self, *messages: str) -> None:
        """The page shows these messages and no others, in this order."""
        await self.browser.until(f"JSON.stringify({MESSAGES}) === {_text(list(messages))}")

    async def set(self, field: str, value: str) -> None:
        script = f"""(field => {{
            field.value = {json.dumps(value)};
            field.dispatchEvent(new Event('input', {{bubbles: true}}));
            field.dispatchEvent(new Event('change', {{bubbles: true}}));
        }})(document.getElementById({json.dumps(field)}))"""
        await self.browser.evaluate(script)

    async def press(self, selector: str) -> None:
        """Click what a selector finds, once it is there."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.browser.until(f"{found} !== null")
        await self.browser.evaluate(f"{found}.click()")

    async def click(self, element: str) -> None:
        await self.browser.evaluate(f"document.getElementById({json.dumps(element)}).click()")


def _text(value: object) -> str:
    return json.dumps(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


class Stage:
    """Sets a scene: a world and a server of its own, the browser is everybody's."""

    def __init__(self, folder: Path, stack: AsyncExitStack, browser: Browser) -> None:
        self._folder = folder
        self._stack = stack
        self._browser = browser

    async def __call__(self, *, host: str = "127.0.0.1", tokens: tuple[Token, ...] = ()) -> Scene:
        world = await self._stack.enter_async_context(
            open_world(self._folder / "data", memory=9000)
        )
        settings = Api(host=host, port=0, tokens=tokens)
        server = await self._stack.enter_async_context(ApiServer(settings, world))
        self._browser.complaints.clear()
        return Scene(world, self._browser, server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path, browser: Browser) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(tmp_path, stack, browser)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(stage: Stage) -> Scene:
    return await stage()


async def test_lines_of_the_past_and_of_now_appear_once_and_in_order(scene: Scene) -> None:
    scene.world.say("long ago", "a moment ago")
    await scene.open()
    await scene.shows("long ago", "a moment ago")
    scene.world.say("now")
    await scene.shows("long ago", "a moment ago", "now")
    assert scene.browser.complaints == []


async def test_container_level_and_text_narrow_old_lines_and_new_ones(scene: Scene) -> None:
    scene.world.say("web one", "web two")
    scene.world.say("db one", origin=DB, level="error")
    await scene.open()
    choice = "[...document.getElementById('container').options].some(o => o.text === 'shop-db-1')"
    await scene.browser.until(choice)
    await scene.set("container", "name:shop-db-1")
    await scene.shows("db one")
    scene.world.say("web three")
    scene.world.say("db two", origin=DB, level="warn")
    await scene.shows("db one", "db two")
    await scene.set("level", "error")
    await scene.shows("db one")
    await scene.set("container", "")
    await scene.set("level", "")
    await scene.shows("web one", "web two", "db one", "web three", "db two")
    await scene.set("text", "two")
    await scene.shows("web two", "db two")
    scene.world.say("web Two again", "not wanted")
    await scene.shows("web two", "db two", "web Two again")


async def test_hostile_lines_are_text_and_nothing_else(scene: Scene) -> None:
    hostile = [
        "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>",
        "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
        "left\u202etxt.exe",
        "nul\x00bell\x07",
    ]
    scene.world.say(*hostile)
    await scene.open()
    await scene.shows(hostile[0], "red link", r"left\u202etxt.exe", r"nul\u0000bell\u0007")
    assert await scene.browser.evaluate("typeof window.hacked") == "undefined"
    assert await scene.browser.evaluate("document.querySelectorAll('.row img, .row a').length") == 0
    assert await scene.browser.evaluate("document.querySelector('.row .c1').textContent") == "red"
    assert scene.browser.complaints == []


async def test_paused_the_page_stands_still_and_resumed_nothing_is_missing(scene: Scene) -> None:
    scene.world.say("a")
    await scene.open()
    await scene.shows("a")
    await scene.click("pause")
    scene.world.say("b", "c")
    await scene.browser.until("document.getElementById('newest').textContent === '↓ 2 new lines'")
    await scene.shows("a")
    await scene.click("pause")
    await scene.shows("a", "b", "c")


async def test_older_lines_are_loaded_without_moving_the_reader(scene: Scene) -> None:
    texts = [f"line {i}" for i in range(700)]
    scene.world.say(*texts)
    await scene.open()
    await scene.shows(*texts[400:])
    await scene.browser.evaluate("document.getElementById('lines').scrollTop = 0")
    await scene.browser.until(f"({MESSAGES})[0] === 'line 100'")
    anchored = (
        "(() => { const row = [...document.querySelectorAll('.row')].find(r => "
        "r.textContent.includes('line 400')); return row.getBoundingClientRect().top; })()"
    )
    assert 0 < await scene.browser.evaluate(anchored) < 400
    await scene.browser.evaluate("document.getElementById('lines').scrollTop = 0")
    await scene.browser.until("document.querySelector('.edge .start') !== null")
    await scene.shows(*texts)


async def test_the_page_holds_a_bounded_number_of_lines(scene: Scene) -> None:
    await scene.open()
    for part in range(5):
        scene.world.say(*(f"{part}-{i}" for i in range(900)))
        await scene.browser.until(f"({MESSAGES}).at(-1) === '{part}-899'")
    assert await scene.browser.evaluate("document.getElementById('rows').childElementCount") == 2000


async def test_a_lost_connection_comes_back_and_the_lines_are_complete(scene: Scene) -> None:
    scene.world.say("before")
    await scene.open()
    await scene.shows("before")
    port = scene.server.address[1]
    await scene.server.__aexit__(None, None, None)
    await scene.browser.until("document.getElementById('live').className === 'live away'")
    scene.world.say("while away", "still away")
    async with ApiServer(Api(host="127.0.0.1", port=port, tokens=()), scene.world):
        await scene.browser.until("document.getElementById('live').className === 'live live'")
        scene.world.say("after")
        await scene.shows("before", "while away", "still away", "after")


async def test_status_shows_every_component_and_why_it_is_not_well(scene: Scene) -> None:
    await scene.open()
    await scene.browser.until("document.getElementById('status-word').textContent === '1 problem'")
    await scene.click("open-status")
    text = await scene.browser.until("document.getElementById('status-body').innerText")
    for word in ("docker", "mqtt", "connection refused", "Living room Pi"):
        assert word in text


async def test_status_shows_warnings_of_the_file_and_the_commit_that_runs(scene: Scene) -> None:
    well = scene.world.status()["sources.docker"]
    odd = {"file": "/config/towline.yaml", "line": 7, "message": "<b>adds nothing</b>"}
    says = "commit aaaaaaaaaa (Keep a week, Ada) runs"
    git = {"state": "in sync", "says": says, "problems": []}
    scene.world.more_status = {
        "configuration": well | {"warnings": [odd]},
        "git": well | {"git": git},
    }
    await scene.open()
    await scene.click("open-status")
    await scene.browser.until("document.querySelector('.card .warning') !== null")
    text = await scene.browser.evaluate("document.getElementById('status-body').innerText")
    assert "/config/towline.yaml:7: <b>adds nothing</b>" in text
    assert f"in sync: {says}" in text


async def test_status_shows_why_a_commit_is_not_applied(scene: Scene) -> None:
    reason = "invalid: commit bbbbbbbbbb (Keep a year, Ben) is not applied: first"
    problems = [{"file": "a.yaml", "line": line, "message": text} for line, text in FAULTS]
    away = scene.world.status()["backends.mqtt"] | {"reason": reason}
    git = {"state": "invalid", "says": "", "problems": problems}
    scene.world.more_status = {"git": away | {"git": git}}
    await scene.open()
    await scene.click("open-status")
    text = await scene.browser.until("document.getElementById('status-body').innerText")
    assert reason in text
    assert "a.yaml:9: second" in text
    assert "a.yaml:3: first" not in text  # the reason has it


async def test_a_container_is_restarted_when_the_button_is_pressed_twice(scene: Scene) -> None:
    await scene.open()
    await scene.click("open-status")
    await scene.browser.until("document.querySelectorAll('.container').length === 2")
    web, restart = ".container:nth-child(2)", "[data-key$=restart]"
    await scene.browser.evaluate(f"document.querySelector('{web} summary').click()")
    await scene.press(f"{web} {restart}")
    await scene.browser.until(f"document.querySelector('{restart}').textContent.endsWith('sure?')")
    assert scene.world.operations.asked == []
    await scene.press(f"{web} {restart}")
    await scene.browser.until(
        "document.querySelector('.container .past')?.textContent === 'restart: done'"
    )
    assert scene.world.operations.asked == [(WEB.container_id, "restart", "127.0.0.1")]


async def test_a_container_that_may_not_be_controlled_has_no_such_buttons(scene: Scene) -> None:
    await scene.open()
    await scene.click("open-status")
    await scene.press(".container:nth-child(1) summary")
    buttons = await scene.browser.until(
        "[...document.querySelectorAll('.container .acts button')].map(b => b.textContent)"
        ".join() || null"
    )
    assert buttons == "Show its lines"
    scene.world.say("web one")
    scene.world.say("db one", origin=DB)
    await scene.press(".container:nth-child(1) .acts button")
    await scene.shows("db one")


async def test_a_broker_is_tried_and_every_step_is_told(scene: Scene) -> None:
    scene.world.more_status = {"brokers.home": scene.world.status()["sources.docker"]}
    await scene.open()
    await scene.click("open-status")
    await scene.press("[data-key='brokers.home.test']")
    await scene.browser.until(
        "document.getElementById('status-body').innerText.includes('a:1: tcp: connection refused')"
    )
    await scene.press("[data-key='brokers.home.reconnect']")
    await scene.browser.until(
        "document.getElementById('status-body').innerText.includes('It connects anew')"
    )
    asked = [each[:2] for each in scene.world.brokers.asked]
    assert asked == [("test", "home"), ("reconnect", "home")]


async def test_what_cannot_be_done_is_said_at_its_button(scene: Scene) -> None:
    await scene.open()
    await scene.click("open-status")
    await scene.press("[data-key='backends.mqtt.pause']")
    await scene.browser.until(
        "document.getElementById('status-body').innerText.includes('backends.mqtt: unknown')"
    )


async def test_a_moment_of_the_past_is_shown_and_leads_back_to_now(scene: Scene) -> None:
    now = round(time.time() * 1000)
    texts = [f"line {i}" for i in range(900)]
    scene.world.clock = now - 1_000_000
    scene.world.say(*texts)
    await scene.open()
    await scene.click("open-history")
    told = "document.getElementById('chart-told').textContent"
    await scene.browser.until(f"{told} === '900 lines'")
    await scene.browser.evaluate(
        """(chart => {
        const key = (name) => chart.dispatchEvent(new KeyboardEvent("keydown", {key: name}));
        const bars = chart.querySelectorAll("rect:not(.mark)");
        const back = 120 - Math.floor(Number(bars[0].getAttribute("x")));
        for (let i = 0; i < back; i++) key("ArrowLeft");
        key("Enter");
    })(document.getElementById("chart"))"""
    )
    await scene.browser.until(f"({MESSAGES})[0] === 'line 0'")
    scene.world.say("now")
    bottom = "(l => l.scrollTop = l.scrollHeight)(document.getElementById('lines'))"
    await scene.browser.until(f"({bottom}, ({MESSAGES}).at(-1) === 'now')")
    assert await scene.browser.evaluate(MESSAGES) == [*texts, "now"]
    scene.world.say("and then")
    await scene.browser.until(f"({bottom}, ({MESSAGES}).at(-1) === 'and then')")


async def test_the_lines_around_a_found_one(scene: Scene) -> None:
    scene.world.say(*(f"line {i}" for i in range(500)))
    scene.world.say("other", origin=DB)
    await scene.open()
    await scene.set("text", "line 250")
    await scene.shows("line 250")
    await scene.press(".row")
    await scene.press(".row .details button")
    await scene.browser.until(f"({MESSAGES}).length === 301")
    assert await scene.browser.evaluate("document.getElementById('text').value") == ""
    assert (
        await scene.browser.evaluate("document.querySelector('.row.open .message').textContent")
        == "line 250"
    )


async def test_a_long_record_is_shown_whole_when_it_is_opened(scene: Scene) -> None:
    scene.world.say("\n".join(f"at frame {i}" for i in range(100)))
    await scene.open()
    height = "document.querySelector('.row .message')?.getBoundingClientRect().height"
    folded = await scene.browser.until(height)
    await scene.press(".row")
    await scene.browser.until(f"{height} > {folded} * 5")


async def test_colours_of_home_assistant_are_taken_where_it_frames_the_page(scene: Scene) -> None:
    """The frame is of the same origin, as ingress is; it changes its colours at any time."""
    async with _prefixed("/ingress", scene.server.address[1]) as port:
        await scene.browser.goto(f"http://127.0.0.1:{port}/frontend")
        inner = "document.querySelector('iframe')?.contentDocument"
        await scene.browser.until(f"{inner}?.getElementById('dark')?.media === 'all'")
        colour = f"{inner}.documentElement.style.getPropertyValue('--primary-color')"
        assert await scene.browser.evaluate(colour) == "rgb(9, 8, 7)"
        await scene.browser.evaluate(
            "document.documentElement.style.setProperty('--primary-background-color', 'white')"
        )
        await scene.browser.until(f"{inner}.getElementById('dark').media === 'not all'")


async def test_the_keyboard_reaches_every_line(scene: Scene) -> None:
    scene.world.say("a", "b", "c")
    await scene.open()
    await scene.shows("a", "b", "c")
    for key in ("Enter", "ArrowUp", "Enter"):
        await scene.browser.evaluate(
            "(document.activeElement.closest('.row') ?? document.getElementById('lines'))"
            f".dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
        )
    opened = "document.querySelector('.row.open .message')?.textContent"
    assert await scene.browser.evaluate(opened) == "b"


async def test_a_narrower_page_goes_on_following(scene: Scene) -> None:
    scene.world.say(*(f"{i} {'word ' * 40}" for i in range(300)))
    await scene.open()
    await scene.browser.until("document.querySelectorAll('.row').length === 300")
    await scene.click("open-status")
    await scene.browser.until("!document.getElementById('status').hidden")
    scene.world.say("the newest")
    await scene.browser.until(f"({MESSAGES}).at(-1) === 'the newest'")
    bottom = (
        "(l => l.scrollHeight - l.scrollTop - l.clientHeight < 2)(document.getElementById('lines'))"
    )
    await scene.browser.until(bottom)
    await scene.browser.evaluate("document.getElementById('lines').scrollTop -= 500")
    await scene.browser.until("!document.getElementById('newest').hidden")


async def test_a_token_is_asked_for_once_and_opens_the_page(stage: Stage) -> None:
    scene = await stage(host="0.0.0.0", tokens=(token("open sesame", "read"),))
    scene.world.say("secret line")
    await scene.browser.goto(f"http://127.0.0.1:{scene.server.address[1]}/")
    await scene.browser.until("document.getElementById('ask')?.open")
    await scene.set("token", "open sesame")
    await scene.browser.evaluate("document.getElementById('ask-form').requestSubmit()")
    await scene.shows("secret line")


async def test_a_click_on_a_line_shows_what_is_known_of_it(scene: Scene) -> None:
    record = scene.world.say("a")[0]
    await scene.open()
    await scene.shows("a")
    await scene.browser.evaluate("document.querySelector('.row').click()")
    details = await scene.browser.until("document.querySelector('.details').innerText")
    assert record.id in details
    assert "shop/web:3" in details


async def test_below_another_path_everything_is_found(scene: Scene) -> None:
    """As under Home Assistant's ingress, which takes its prefix off every request."""
    scene.world.say("through the proxy")
    async with _prefixed("/api/hassio_ingress/token", scene.server.address[1]) as port:
        await scene.browser.goto(f"http://127.0.0.1:{port}/api/hassio_ingress/token/")
        await scene.shows("through the proxy")
        await scene.browser.until("document.getElementById('live-word').textContent === 'Live'")
        scene.world.say("live too")
        await scene.shows("through the proxy", "live too")
    assert scene.browser.complaints == []


@asynccontextmanager
async def _prefixed(prefix: str, port: int) -> AsyncIterator[int]:
    """A proxy that passes on requests below a path; its own page, /frontend, frames them."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: bytes) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data.replace(b" " + cut + b"/", b" /") if cut else data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not (begin := await reader.read(1 << 16)).startswith(b"GET " + prefix.encode()):
            page = FRONTEND.replace("PREFIX", prefix).encode()
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + page)
            writer.close()
            return
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        outer.write(begin.replace(b" " + prefix.encode() + b"/", b" /"))
        await asyncio.gather(pipe(reader, outer, prefix.encode()), pipe(inner, writer, b""))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
