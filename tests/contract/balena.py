"""A server of balena's log stream, as open-balena-api behaves."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import h11
import msgspec

HURRY = {"lines": 50, "every": 0.001, "grace": 0.05, "doubt": 0.5, "idle": 60.0}
"""The protocol's times, shorter."""


@dataclass
class Request:
    """One request: its head, the lines that could be read of it, whether it came to its end."""

    path: str
    headers: dict[str, str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    is_whole: bool = False


class LogStreams:
    """Takes streams. `refusal`: a status that is answered to heads; `refuse` answers it later."""

    def __init__(self) -> None:
        self.port = 0
        self.refusal = 0
        self.requests: list[Request] = []
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The way a configuration names it."""
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[bytes]:
        """The messages of all requests, in order."""
        return [row["message"].encode() for request in self.requests for row in request.lines]

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and cut those that are there."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        self._writers.clear()

    def refuse(self, status: int) -> None:
        """Answer the open streams with a status, and hang up."""
        for writer in self._writers:
            writer.write(_answer(status))
            writer.close()
        self._writers.clear()

    async def __aenter__(self) -> LogStreams:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        self._writers.append(writer)
        try:
            await self._serve(reader, writer)
        except ConnectionError:
            return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http, inflate, rest = h11.Connection(h11.SERVER), zlib.decompressobj(47), b""
        request: Request | None = None
        while data := await reader.read(65536):
            http.receive_data(data)
            while (event := http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Request):
                    headers = {name.decode(): value.decode() for name, value in event.headers}
                    request = Request(event.target.decode(), headers)
                    self.requests.append(request)
                    if self.refusal:
                        writer.write(_answer(self.refusal))
                        writer.close()
                        return
                elif isinstance(event, h11.Data) and request is not None:
                    *rows, rest = (rest + inflate.decompress(event.data)).split(b"\n")
                    request.lines += [msgspec.json.decode(row) for row in rows if row]
                elif isinstance(event, h11.EndOfMessage) and request is not None:
                    request.is_whole = inflate.eof and not rest
                    writer.write(_answer(201))
                    writer.close()
                    return


def _answer(status: int) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
