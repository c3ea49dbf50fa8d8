"""Two browsers and a terminal watch one container, and the network of one side goes away."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.chromium import Browser, executable
from tests.real.far import Far, possible
from tests.real.until import auntil
from tests.unit.api.world import DB, World, token
from tests.unit.api.world import world as open_world
from towline.api.server import ApiServer
from towline.config.settings import Api

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(executable() is None, reason="chromium is not installed"),
    pytest.mark.skipif(not possible(), reason="a network namespace needs root and ip"),
]
MESSAGES = "[...document.querySelectorAll('.row .message')].map(e => e.textContent)"
STATE = "document.getElementById('live')?.className"
PATIENCE = 120
"""Seconds in which both sides have noticed: a half-open connection is known by its silence."""


@pytest.fixture
def far() -> Iterator[Far]:
    with Far() as network:
        yield network


async def watch(browser: Browser, url: str) -> None:
    """Open the page on one container."""
    await browser.goto(url)
    await browser.until("document.getElementById('ask')?.open", 60)
    await browser.evaluate(
        "(document.getElementById('token').value = 'watcher',"
        " document.getElementById('ask-form').requestSubmit())"
    )
    await browser.until(f"{STATE} === 'live live'", 60)
    choose = """(select => {
        if (![...select.options].some(o => o.value === 'name:shop-web-1')) return false;
        select.value = 'name:shop-web-1';
        select.dispatchEvent(new Event('change'));
        return true;
    })(document.getElementById('container'))"""
    await browser.until(choose, 60)
    await browser.until(f"{STATE} === 'live live'", 60)


class Terminal:
    """`towline tail --json` and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.messages: list[str] = []
        self.said: list[str] = []

    async def read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            self.messages.append(json.loads(line)["message"])

    async def listen(self) -> None:
        assert self._process.stderr
        async for line in self._process.stderr:
            self.said.append(line.decode())

    @property
    def state(self) -> str:
        """What was said last."""
        return self.said[-1] if self.said else ""


async def spoken(world: World, name: str) -> list[str]:
    """Lines of the container, and others' between them, over a moment."""
    texts = [f"{name} {number}" for number in range(60)]
    for text in texts:
        world.say(text)
        world.say(f"not of it: {text}", origin=DB)
        await asyncio.sleep(0)
    return texts


async def test_a_network_that_was_away_costs_no_line_and_doubles_none(
    tmp_path: Path, far: Far
) -> None:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(tmp_path / "data", memory=9000))
        settings = Api(host="0.0.0.0", port=0, tokens=(token("watcher", "read"),))
        server = await stack.enter_async_context(ApiServer(settings, world))
        near_browser = await stack.enter_async_context(Browser(tmp_path / "near"))
        far_browser = await stack.enter_async_context(Browser(tmp_path / "far", far))
        port = server.address[1]
        url = f"http://{far.host}:{port}"
        process = await asyncio.create_subprocess_exec(
            *far.command(sys.executable, "-m", "towline", "tail", "shop-web-1", "--json"),
            *("-n", "0", "--url", url, "--token", "watcher"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        terminal = Terminal(process)
        tasks = [asyncio.create_task(terminal.read()), asyncio.create_task(terminal.listen())]
        try:
            await watch(near_browser, f"http://127.0.0.1:{port}/")
            await watch(far_browser, f"{url}/")
            await auntil(lambda: server.viewers.open == 3, 60, "three viewers")
            texts = await spoken(world, "before")
            await auntil(lambda: terminal.messages == texts, 60, "the terminal's beginning")
            await far_browser.until(f"({MESSAGES}).length === {len(texts)}", 60)
            far.cut()
            texts += await spoken(world, "away")
            await near_browser.until(f"({MESSAGES}).length === {len(texts)}", 60)
            assert await far_browser.evaluate(f"({MESSAGES}).length") == 60
            assert len(terminal.messages) == 60
            far.join(3)
            texts += await spoken(world, "back")
            for browser in (near_browser, far_browser):
                await browser.until(f"({MESSAGES}).length >= {len(texts)}", PATIENCE)
            await auntil(lambda: len(terminal.messages) >= len(texts), PATIENCE, "all lines")
            texts += await spoken(world, "after")
            for browser in (near_browser, far_browser):
                await browser.until(f"({MESSAGES}).at(-1) === {json.dumps(texts[-1])}", PATIENCE)
                assert await browser.evaluate(MESSAGES) == texts
            await auntil(lambda: terminal.messages[-1] == texts[-1], PATIENCE, "the last line")
            assert terminal.messages == texts
            assert "again" in terminal.state  # it was away, and said so
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await asyncio.gather(*tasks)
