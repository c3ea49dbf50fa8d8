"""The page and the API through Home Assistant's ingress, behind a prefix that changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.chromium import Browser, executable
from tests.real.ingress import ADDRESS, Ingress
from tests.unit.api.world import World
from tests.unit.api.world import world as open_world
from towline.api.server import ApiServer
from towline.config.settings import Api

MESSAGES = "[...document.querySelectorAll('.row .message')].map(e => e.textContent)"


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[tuple[World, Ingress]]:
    """A world behind ingress; nobody else is let in."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(tmp_path / "data"))
        settings = Api(host="0.0.0.0", port=0, tokens=())
        server = await stack.enter_async_context(ApiServer(settings, world, ingress=ADDRESS))
        yield world, await stack.enter_async_context(Ingress(server.address[1]))


@pytest.mark.browser
@pytest.mark.skipif(executable() is None, reason="chromium is not installed")
async def test_the_page_works_behind_the_prefix_with_live_lines(
    house: tuple[World, Ingress], tmp_path: Path
) -> None:
    world, ingress = house
    world.say("long ago")
    async with Browser(tmp_path / "profile") as browser:
        await browser.goto(ingress.url)
        live = "document.getElementById('live-word')?.textContent === 'Live'"
        await browser.until(live)
        world.say("now, über ingress")
        shown = json.dumps(
            json.dumps(["long ago", "now, über ingress"], separators=(",", ":"), ensure_ascii=False)
        )
        await browser.until(f"JSON.stringify({MESSAGES}) === {shown}")
        assert browser.complaints == []


async def test_event_streams_arrive_line_by_line(house: tuple[World, Ingress]) -> None:
    world, ingress = house
    url = f"{ingress.url}api/v1/logs/stream"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        for word in ("first", "second"):
            world.say(word)
            async for row in answer.content:
                if word.encode() in row:
                    break


async def test_a_search_with_any_text_goes_by_post(house: tuple[World, Ingress]) -> None:
    world, ingress = house
    world.say("saw <script>alert(1)</script> in ../../etc")
    async with aiohttp.ClientSession() as session:
        url, text = f"{ingress.url}api/v1/logs", "<script>"
        async with session.get(url, params={"text": text}) as refused:
            assert refused.status == 400
        async with session.post(f"{url}/search", json={"text": text}) as answer:
            assert (await answer.json())["count"] == 1


async def test_ingress_reads_and_operates_and_does_not_administer(
    house: tuple[World, Ingress],
) -> None:
    _, ingress = house
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{ingress.url}api/v1/status") as answer:
            assert answer.status == 200
        async with session.get(f"{ingress.url}api/v1/config") as answer:
            assert (await answer.json())["error"]["code"] == "scope_missing"
