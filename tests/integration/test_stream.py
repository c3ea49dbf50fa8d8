"""A connection to a peer that acknowledges nothing: what its machine does."""

from __future__ import annotations

import asyncio
import socket

import pytest

from towline.backends.stream import connect
from towline.errors import Retryable

MORE_THAN_IT_HOLDS = b"x" * 60_000


async def test_what_the_other_machine_has_not_acknowledged_is_not_settled() -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        pipe = await connect("127.0.0.1", listening.getsockname()[1], None)
        peer, _ = listening.accept()
        with peer:
            peer.setblocking(False)
            await pipe.write(b"x")
            await pipe.settled()
            await pipe.write(MORE_THAN_IT_HOLDS)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await pipe.settled()
            settled = asyncio.create_task(pipe.settled())
            loop, read = asyncio.get_running_loop(), 0
            while read <= len(MORE_THAN_IT_HOLDS):
                read += len(await loop.sock_recv(peer, 65536))
            await settled
        await pipe.close()


async def test_a_peer_that_is_gone_is_noticed_and_said() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        pipe = await connect("127.0.0.1", listening.getsockname()[1], None)
        listening.accept()[0].close()
        await pipe.news()
        with pytest.raises(Retryable, match="closed the connection"):
            await pipe.write(b"x")
        assert pipe.lost_at


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, ".."])
async def test_a_host_that_is_none_is_no_crash(host: str) -> None:
    with pytest.raises(Retryable):
        await connect(host, 1, None)
