from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.real.until import auntil
from tests.unit.api.world import DB, WEB, World, token
from tests.unit.api.world import world as open_world
from towline.api import protocols, streams
from towline.api import server as server_module
from towline.api.server import ApiServer
from towline.config.settings import Api, Token

STREAM = "/api/v1/logs/stream"
_UPGRADE = (
    f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as found:
        yield found


@asynccontextmanager
async def serving(
    world: World, *, host: str = "127.0.0.1", tokens: tuple[Token, ...] = ()
) -> AsyncIterator[ApiServer]:
    async with ApiServer(Api(host=host, port=0, tokens=tokens), world) as server:
        running = asyncio.create_task(server.run())
        try:
            yield server
        finally:
            server.drain()
            await running


@pytest.fixture
async def server(world: World) -> AsyncIterator[ApiServer]:
    async with serving(world) as running:
        yield running


def address(server: ApiServer, path: str, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{server.address[1]}{path}"


async def frame(viewer: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await viewer.recv())
    return found


async def messages(viewer: ClientConnection, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found += [record["message"] for record in (await frame(viewer)).get("logs", ())]
    return found


async def closing(server: ApiServer, path: str) -> tuple[int, str]:
    """The code and reason that a viewer is closed with."""
    async with connect(address(server, path)) as viewer:
        return await goodbye(viewer)


async def goodbye(viewer: ClientConnection) -> tuple[int, str]:
    """The code and reason at the end of what a viewer is sent."""
    with suppress(ConnectionClosed):
        while True:
            await viewer.recv()
    assert viewer.close_code is not None
    return viewer.close_code, viewer.close_reason or ""


async def test_a_viewer_that_says_nothing_is_not_taken_for_a_late_head(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_PATIENCE", 0.05)
    async with serving(world) as server, connect(address(server, STREAM)) as viewer:
        await frame(viewer)
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(0.15, late.set)
        await late.wait()
        world.say("after the patience")
        assert await messages(viewer, 1) == ["after the patience"]


async def test_records_reach_a_websocket_as_they_are_stored(
    world: World, server: ApiServer
) -> None:
    world.say("before")
    async with connect(address(server, f"{STREAM}?tail=5")) as viewer:
        assert (await frame(viewer))["type"] == "hello"
        assert await messages(viewer, 1) == ["before"]
        record = world.say("live ü")[0]
        assert await viewer.recv() == '{"type":"logs","logs":[' + record.json.decode() + "]}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("containers/shop-db-1", ["from db"]),
        (f"containers/{'b' * 64}", ["from db"]),
        (f"containers/{'b' * 12}", ["from db"]),
        ("services/web", ["from web"]),
        ("services/7", ["from web"]),
        ("stacks/shop", ["from web", "from db"]),
    ],
)
async def test_every_live_path_is_one_handler(
    world: World, server: ApiServer, path: str, expected: list[str]
) -> None:
    world.say("long ago")
    async with connect(address(server, f"/api/v1/{path}/logs?tail=0")) as viewer:
        hello = await frame(viewer)
        assert hello["origin"] == dict(zip(("kind", "id"), path.split("/"), strict=True))
        world.say("from web")
        world.say("from db", origin=DB)
        assert await messages(viewer, len(expected)) == expected


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_a_container_that_is_viewed_is_said_to_be(
    world: World, server: ApiServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(streams, "VIEWING", 0.01)
    url = address(server, "/api/v1/containers/shop-db-1/logs", scheme)
    if scheme == "ws":
        async with connect(url):
            await auntil(lambda: len(world.viewed) > 3)
    else:
        async with httpx.AsyncClient() as client, client.stream("GET", url):
            await auntil(lambda: len(world.viewed) > 3)
    assert set(world.viewed) == {"shop-db-1"}
    await auntil(lambda: not _viewing(), what="nobody is said to view it any more")


def _viewing() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "viewing shop-db-1"]


async def test_host_and_daemon_are_there_before_they_say_anything(server: ApiServer) -> None:
    for path in ("hosts/pi", "hosts/local", "daemon/pi", "daemon/docker"):
        async with connect(address(server, f"/api/v1/{path}/logs")) as viewer:
            assert (await frame(viewer))["type"] == "hello"


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/api/v1/containers/nope/logs", 4404, "not_found"),
        (f"/api/v1/containers/{'c' * 64}/logs", 4404, "not_found"),
        ("/api/v1/hosts/elsewhere/logs", 4404, "not_found"),
        (f"{STREAM}?regex=(?=a)", 4400, "bad_regex"),
        (f"{STREAM}?tail=many", 4400, "bad_parameter"),
        (f"{STREAM}?after=nonsense", 4400, "bad_parameter"),
        (f"{STREAM}?levle=info", 4400, "unknown_parameter"),
        (f"{STREAM}?follow=false", 1000, "the end"),
        (f"{STREAM}?{'x' * 200}=1", 4400, "unknown_parameter"),
    ],
)
async def test_a_viewer_is_closed_with_a_code_and_a_word(
    server: ApiServer, path: str, code: int, reason: str
) -> None:
    found = await closing(server, path)
    assert found[0] == code
    assert found[1].startswith(reason)


async def test_a_container_that_is_gone_is_known_while_its_records_are(
    world: World, server: ApiServer
) -> None:
    gone = "c" * 64
    origin = replace(WEB, name="gone", container_id=gone, container="gone-1")
    record = world.say("last words", origin=origin)[0]
    path = f"/api/v1/containers/{gone}/logs?follow=false"
    async with connect(address(server, path)) as viewer:
        assert await messages(viewer, 1) == ["last words"]
    async with connect(address(server, f"/api/v1/containers/gone-1/logs?after={0:016x}")) as viewer:
        await frame(viewer)
        assert json.loads(record.json) in (await frame(viewer))["logs"]


async def test_tokens_are_asked_for_and_taken_from_header_or_address(world: World) -> None:
    tokens = (token("good", "read"),)
    async with serving(world, host="0.0.0.0", tokens=tokens) as server:
        assert (await closing(server, STREAM))[0] == 4401
        assert (await closing(server, f"{STREAM}?token=bad"))[0] == 4401
        async with connect(address(server, f"{STREAM}?token=good")) as viewer:
            assert (await frame(viewer))["type"] == "hello"
        headers = {"Authorization": "Bearer good"}
        async with connect(address(server, STREAM), additional_headers=headers) as viewer:
            assert (await frame(viewer))["type"] == "hello"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_foreign_page_gets_no_websocket(server: ApiServer, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(address(server, STREAM), additional_headers={"Origin": origin}).__aenter__()
    assert caught.value.response.status_code == 403


async def test_a_rebound_name_gets_nothing(server: ApiServer) -> None:
    headers = {"Host": f"evil.example:{server.address[1]}"}
    async with httpx.AsyncClient() as client:
        for path in ("/api/v1/logs", STREAM):
            answer = await client.get(address(server, path, "http"), headers=headers)
            assert answer.json()["error"]["code"] == "foreign_host"


async def test_the_last_place_taken_is_said(world: World, server: ApiServer) -> None:
    server.viewers.limit = 1
    async with connect(address(server, STREAM)) as viewer:
        await frame(viewer)
        assert (await closing(server, STREAM))[0] == 1013
        async with httpx.AsyncClient() as client:
            answer = await client.get(address(server, STREAM, "http"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_many_viewers")


async def test_stopping_says_1001_to_sockets_and_ends_event_streams(world: World) -> None:
    async with serving(world) as server, connect(address(server, STREAM)) as viewer:
        await frame(viewer)
        async with (
            httpx.AsyncClient() as client,
            client.stream("GET", address(server, STREAM, "http")) as events,
        ):
            lines = events.aiter_lines()
            await anext(lines)
            await server.__aexit__(None, None, None)
            assert (await goodbye(viewer))[0] == 1001
            assert [line async for line in lines if line.startswith("data")] == []
        assert server.viewers.open == 0


async def test_what_a_viewer_says_is_dropped_and_has_an_end(
    world: World, server: ApiServer
) -> None:
    async with connect(address(server, STREAM)) as viewer:
        await frame(viewer)
        await viewer.send("{garbage")
        await viewer.send(b"\x00\xff")
        world.say("still here")
        assert await messages(viewer, 1) == ["still here"]
        with suppress(ConnectionClosed):
            while True:
                await viewer.send("x")
                await asyncio.sleep(0)
        assert (await goodbye(viewer))[0] == 1008


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\xff" * 64,  # no such kind of frame
        b"\x81\x05hello",  # not masked
        b"\x81\xff" + b"\xff" * 12,  # a length beyond all bounds
        b"\x89\xfe\x01\x00" + b"\0" * 300,  # a ping that is too long
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_frames_end_the_viewer_and_no_other(
    world: World, server: ApiServer, bytes_: bytes
) -> None:
    async with connect(address(server, STREAM)) as kind:
        await frame(kind)
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(_UPGRADE)
        await reader.readuntil(b'"hello"')
        writer.write(bytes_)
        async with asyncio.timeout(20):
            said = await reader.read(-1)
        writer.close()
        codes = [said.rfind(code.to_bytes(2, "big")) for code in (1002, 1007, 1009)]
        assert max(codes) >= 0
        world.say("still here")
        assert await messages(kind, 1) == ["still here"]
        await auntil(lambda: server.viewers.open == 1, what="its seat is free")


async def test_a_huge_message_ends_the_viewer_and_no_other(world: World, server: ApiServer) -> None:
    async with connect(address(server, STREAM)) as rude, connect(address(server, STREAM)) as kind:
        await frame(rude)
        await frame(kind)
        await rude.send("x" * (65 << 10))
        assert (await goodbye(rude))[0] == 1009
        world.say("a")
        assert await messages(kind, 1) == ["a"]


async def test_a_stalled_viewer_delays_nobody(world: World, server: ApiServer) -> None:
    stalled = socket.create_connection(("127.0.0.1", server.address[1]))
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.sendall(_UPGRADE)
    try:
        async with connect(address(server, STREAM)) as viewer:
            await frame(viewer)
            for i in range(40):
                texts = [f"{i}-{j}-{'x' * 2000}" for j in range(100)]
                world.say(*texts)
                assert await messages(viewer, 100) == texts
    finally:
        stalled.close()


@pytest.mark.parametrize("upgrade", [True, False])
async def test_a_viewer_that_stopped_reading_is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch, upgrade: bool
) -> None:
    monkeypatch.setattr(server_module, "_STALLED_MS", 200)
    async with serving(world) as server:
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(server.address)
        stalled.sendall(_UPGRADE if upgrade else f"GET {STREAM} HTTP/1.0\r\n\r\n".encode())
        await auntil(lambda: server.viewers.open == 1)

        def gone() -> bool:
            world.say("x" * 20_000)
            return server.viewers.open == 0

        await auntil(gone)
        stalled.close()


@pytest.mark.parametrize("size", [10, 200, 70_000])
async def test_messages_of_every_length_arrive_whole(
    world: World, server: ApiServer, size: int
) -> None:
    async with connect(address(server, STREAM)) as viewer:
        await frame(viewer)
        world.say("ü" * size)
        assert await messages(viewer, 1) == ["ü" * size]


async def test_events_resume_after_the_last_id(world: World, server: ApiServer) -> None:
    records = world.say("a", "b", "c")
    async with httpx.AsyncClient() as client:
        url = address(server, f"{STREAM}?follow=false&tail=1", "http")
        answer = await client.get(url, headers={"Last-Event-ID": records[0].id})
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.text.strip().split("\n\n")
    assert events[-1].split("\n")[0] == f"id: {records[2].id}"
    logs = json.loads(events[-1].split("data: ")[1])["logs"]
    assert [record["message"] for record in logs] == ["b", "c"]


async def test_every_line_comes_once_over_broken_connections(
    world: World, server: ApiServer
) -> None:
    """The connection breaks without a word, in the middle of what is said, three times."""
    said: list[str] = []
    found: list[str] = []
    place = "tail=0"
    for part in range(4):
        async with connect(address(server, f"{STREAM}?{place}")) as viewer:
            await frame(viewer)
            said += [f"{part}-{i}" for i in range(50)]
            for message in said[-50:]:
                world.say(message)
            while len(found) < (len(said) if part == 3 else len(said) - 30):
                for record in (await frame(viewer)).get("logs", ()):
                    found.append(record["message"])
                    place = f"after={record['id']}"
            viewer.transport.abort()
        said.append(f"said while nobody listened {part}")
        world.say(said[-1])
    assert found == said[:-1]
