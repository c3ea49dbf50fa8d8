"""One request and its answer, from engines that behave and others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from towline.errors import NotFound, SourceError, Unreadable
from towline.sources.docker.address import Address
from towline.sources.docker.stream import fetch, open_stream

OK = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@asynccontextmanager
async def engine(folder: Path, *pieces: bytes, hangs: bool = False) -> AsyncIterator[Address]:
    """An engine that answers with these pieces."""

    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if hangs:
                await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.ensure_future(answer(reader, writer)))

    path = str(folder / "engine.sock")
    async with await asyncio.start_unix_server(connected, path):
        yield Address.parse(f"unix://{path}")
        await asyncio.gather(*answering)


async def body(address: Address, silence: float | None = 5) -> bytes:
    """The whole body, read as a log is."""
    found: list[bytes] = []
    stream = await open_stream(address, "/x", found.append)
    try:
        await stream.ended(silence)
    finally:
        stream.close()
    return b"".join(found)


async def test_the_body_comes_as_it_was_sent_however_the_head_is_cut(tmp_path: Path) -> None:
    whole = OK + b"\x01\x00\r\n\r\nbody"
    for at in range(0, len(OK) + 3, 7):
        folder = tmp_path / str(at)
        folder.mkdir()
        async with engine(folder, whole[:at], whole[at:]) as address:
            assert await body(address) == whole[len(OK) :]


@pytest.mark.parametrize(
    ("status", "sent", "fault", "words"),
    [
        (
            "404 Not Found",
            b'{"message":"No such container: x"}\n',
            NotFound,
            "No such container: x",
        ),
        ("501 Not Implemented", b'{"message":"no reading"}', Unreadable, "no reading"),
        ("500 Oops", b"plain words", SourceError, "HTTP 500: plain words"),
        ("500 Oops", b'{"other":1}', SourceError, 'HTTP 500: {"other":1}'),
        ("403 Forbidden", b'["proxy"]', SourceError, 'HTTP 403: ["proxy"]'),
    ],
)
async def test_a_refusal_says_why_in_dockers_words(
    tmp_path: Path, status: str, sent: bytes, fault: type[SourceError], words: str
) -> None:
    async with engine(tmp_path, f"HTTP/1.0 {status}\r\n\r\n".encode(), sent) as address:
        with pytest.raises(fault) as found:
            await body(address)
    assert str(found.value) == words


@pytest.mark.parametrize(
    "sent", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.0\r\n\r\n", b"x" * 70_000]
)
async def test_what_is_no_answer_is_a_source_error(tmp_path: Path, sent: bytes) -> None:
    async with engine(tmp_path, sent) as address:
        with pytest.raises(SourceError):
            await body(address)


async def test_silence_ends_a_read_that_must_end(tmp_path: Path) -> None:
    async with engine(tmp_path, OK, b"a", hangs=True) as address:
        with pytest.raises(SourceError, match=r"nothing for 0\.1 s"):
            await body(address, silence=0.1)


async def test_an_engine_that_never_answers_a_ping_is_given_up(tmp_path: Path) -> None:
    async with engine(tmp_path, hangs=True) as address:
        with pytest.raises(SourceError, match=r"does not answer within 0\.1 s"):
            await fetch(address, "/_ping", 0.1)


async def test_an_engine_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        await body(Address.parse(f"unix://{tmp_path}/none.sock"))
    with pytest.raises(SourceError, match="cannot be reached"):
        await body(Address.parse("tcp://127.0.0.1:1"))


NO_ADDRESSES = ["", "unix://", "/var/run/docker.sock", "ssh://", "ssh://-oX=y", "ftp://a", "tcp://"]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_cannot_be_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match="not an engine's address"):
        Address.parse(url)
