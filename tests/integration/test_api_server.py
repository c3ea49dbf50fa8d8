from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.world import World
from tests.unit.api.world import world as open_world
from towline.api import protocols
from towline.api.server import ApiServer
from towline.config.settings import Api
from towline.status import State

LOCAL = Api(host="127.0.0.1", port=0, tokens=())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as found:
        yield found


async def exchange(server: ApiServer, request: bytes) -> bytes:
    """What comes back on a raw connection until the server hangs up."""
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(request)
    answer = await _rest(reader)
    writer.close()
    return answer


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes; a connection that was reset says nothing more."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_port_that_is_taken_is_said_in_words(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"^127\.0\.0\.1:{port} is taken$"):
            await ApiServer(Api(host="127.0.0.1", port=port, tokens=()), world).__aenter__()


async def test_an_address_of_another_machine_is_said_in_words(world: World) -> None:
    with pytest.raises(OSError, match="is no address of this machine"):
        await ApiServer(Api(host="192.0.2.1", port=0, tokens=()), world).__aenter__()


async def test_leaving_gives_the_port_back_at_once(world: World) -> None:
    async with ApiServer(LOCAL, world) as server:
        assert str(server.health.state) == State.UP
        port = server.address[1]
    assert str(server.health.state) == State.STOPPED
    async with ApiServer(Api(host="127.0.0.1", port=port, tokens=()), world):
        pass


async def test_drained_it_ends(world: World) -> None:
    async with ApiServer(LOCAL, world) as server:
        running = asyncio.create_task(server.run())
        server.drain()
        await running


async def test_leaving_does_not_wait_for_those_who_say_nothing(world: World) -> None:
    async with ApiServer(LOCAL, world) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /api/v1/hea")
        await writer.drain()
    assert await _rest(reader) == b""
    writer.close()


@pytest.mark.parametrize(
    ("first", "second"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")],
)
async def test_a_successor_shares_the_port_until_its_predecessor_has_left(
    world: World, first: str, second: str
) -> None:
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with ApiServer(Api(host=first, port=port, tokens=()), world) as elder:
        heir = ApiServer(Api(host=second, port=port, tokens=()), world, before=elder)
        async with heir:
            assert (await exchange(elder, request)).startswith(b"HTTP/1.1 200")
            await elder.__aexit__()
            assert (await exchange(heir, request)).startswith(b"HTTP/1.1 200")
            with pytest.raises(OSError, match="is taken"):
                await ApiServer(Api(host=second, port=port, tokens=()), world).__aenter__()
            again = ApiServer(Api(host=second, port=port, tokens=()), world, before=elder)
            with pytest.raises(OSError, match="is taken"):
                await again.__aenter__()


async def test_a_successor_that_did_not_come_to_serve_leaves_its_predecessor_the_port(
    world: World,
) -> None:
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with ApiServer(LOCAL, world) as elder:
        async with ApiServer(LOCAL, world, before=elder) as heir:
            assert heir.address == elder.address
        assert (await exchange(elder, request)).startswith(b"HTTP/1.1 200")


async def test_a_head_that_never_ends_is_hung_up_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_PATIENCE", 0.05)
    async with ApiServer(LOCAL, world) as server:
        assert await exchange(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n") == b""


async def test_an_answer_that_goes_on_is_not_taken_for_a_late_head(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "HEAD_PATIENCE", 0.05)
    async with ApiServer(LOCAL, world) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /api/v1/logs/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'"hello"')
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(0.15, late.set)
        await late.wait()
        world.say("after the patience")
        await reader.readuntil(b"after the patience")
        writer.close()


async def test_more_connections_than_there_may_be_are_turned_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "MAX_CONNECTIONS", 1)
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with ApiServer(LOCAL, world) as server:
        _, idle = await asyncio.open_connection(*server.address)
        assert await exchange(server, request) == b""
        idle.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b"a" * 70_000,
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
async def test_a_request_that_could_be_read_two_ways_is_refused_and_hung_up_on(
    world: World, request_head: bytes
) -> None:
    async with ApiServer(LOCAL, world) as server:
        assert (await exchange(server, request_head)).startswith(b"HTTP/1.1 400 ")


async def test_what_it_logs_holds_no_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with ApiServer(LOCAL, world) as server:
        request = (
            b"GET /api/v1/logs/stream?token=hunter2 HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(request)
        await reader.readuntil(b"hello")
        writer.close()
    assert "hunter2" not in caplog.text
