"""What an HTTP destination may do, and what becomes of it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.backends import of_kind
from tests.contract.peers import Elasticsearch, Loki
from tests.contract.test_backend_contract import batch
from tests.real.certificates import Authority
from tests.real.http import Reply
from towline.errors import DeliveryError, Rejected, Retryable
from towline.ports import Backend


@pytest.fixture
async def peer() -> AsyncIterator[Loki]:
    async with Loki() as running:
        yield running


async def failure(peer: Loki, folder: Path, *replies: Reply, **keys: Any) -> DeliveryError:
    """What a backend says of these replies; the batch must arrive once they are over."""
    peer.replies.extend(replies)
    async with of_kind("loki", folder, url=peer.url, **keys) as backend:
        with pytest.raises(DeliveryError) as caught:
            await backend.send(batch(3))
        peer.replies.clear()
        peer.silent = False
        await backend.send(batch(3))
    assert len(peer.entries) == 3
    return caught.value


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(429, b"slow down", headers={"Retry-After": "7"}), "asks to slow down (429)"),
        (Reply(500, b"oops\n\x1b[31m"), "refused (500) oops [31m"),
        (Reply(503), "refused (503)"),
        (Reply(401), "not authorised (401)"),
        (Reply(404, b"no"), "nothing at this address (404) no"),
        (Reply(302, headers={"Location": "http://elsewhere/"}), "elsewhere (302): http://else"),
        (Reply(307, headers={"Location": "/loki/api/v1/push/"}), "elsewhere (307)"),
        (Reply(200, b"<html>Log in", "text/html"), "web page"),
        (Reply(260, b"blocked"), "status 260, not 204"),
        (Reply(raw=b""), "closed the connection without an answer"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "the answer broke off"),
        (Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "the answer was not HTTP"),
        (Reply(200, b"x" * 5_000_000), "answered with more than"),
    ],
)
async def test_what_may_pass_is_tried_again(
    peer: Loki, tmp_path: Path, reply: Reply, told: str
) -> None:
    found = await failure(peer, tmp_path, reply)
    assert isinstance(found, Retryable)
    assert told in str(found)
    assert found.retry_after == (7.0 if reply.status == 429 else None)
    assert "\x1b" not in str(found)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_is_the_records_fault_is_narrowed_down(
    peer: Loki, tmp_path: Path, status: int
) -> None:
    found = await failure(peer, tmp_path, Reply(status, b"the third line"))
    assert isinstance(found, Rejected)
    assert f"({status}) the third line" in str(found)


async def test_one_that_does_not_answer_is_given_up_in_time(peer: Loki, tmp_path: Path) -> None:
    peer.silent = True
    found = await failure(peer, tmp_path, timeout="200ms")
    assert isinstance(found, Retryable)
    assert str(found) == "no answer"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://a..b", "not the name of a host"),
        ("http://127.0.0.1:1", "connection refused"),
    ],
)
async def test_a_destination_that_cannot_be_found_is_tried_again(
    tmp_path: Path, url: str, told: str
) -> None:
    async with of_kind("loki", tmp_path, url=url) as backend:
        assert told in await attempt(backend)


async def test_a_redirect_is_followed_nowhere(peer: Loki, tmp_path: Path) -> None:
    async with Loki() as other:
        await failure(peer, tmp_path, Reply(308, headers={"Location": other.url}), token="s3cret")
        assert not other.seen


@pytest.mark.parametrize(
    ("keys", "sent", "hidden"),
    [
        ({"token": "t0ken"}, "Bearer t0ken", "t0ken"),
        ({"username": "me", "password": "pa55"}, "Basic bWU6cGE1NQ==", "pa55"),
    ],
)
async def test_who_we_are_is_told_to_the_destination_and_to_nobody_else(
    peer: Loki, tmp_path: Path, keys: dict[str, str], sent: str, hidden: str
) -> None:
    echo = Reply(401, f"wrong: {sent}, {hidden} and k3y".encode())
    headers = {"X-Api-Key": "k3y"}
    found = await failure(peer, tmp_path, echo, headers=headers, **keys)
    assert [seen.headers["Authorization"] for seen in peer.seen] == [sent, sent]
    assert peer.seen[0].headers["X-Api-Key"] == "k3y"
    for secret in (hidden, sent.split()[1], "k3y"):
        assert secret not in str(found)


async def test_a_body_is_compressed_unless_the_file_says_otherwise(
    peer: Loki, tmp_path: Path
) -> None:
    for compression, encoding in (("gzip", "gzip"), ("none", None)):
        async with of_kind("loki", tmp_path, url=peer.url, compression=compression) as backend:
            await backend.send(batch(2000))
        assert peer.seen[-1].headers.get("Content-Encoding") == encoding
    assert len(peer.entries) == 2000


class Secured:
    """A server that speaks TLS and whose certificate can be exchanged."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.folder = folder

    def server(self, *hosts: str, expired: bool = False, client: bool = False) -> Loki:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = hosts or ("localhost", "127.0.0.1")
        context.load_cert_chain(*self.authority.issue("server", names, expired=expired))
        if client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority.ca)
        peer = Loki()
        peer.tls = context
        return peer

    async def send(self, peer: Loki, **tls: Any) -> str:
        async with of_kind("loki", self.folder, url=peer.url, tls=tls) as backend:
            return await attempt(backend)


async def attempt(backend: Backend) -> str:
    """How sending ended, as a text."""
    try:
        await backend.send(batch(1))
    except Retryable as exc:
        return str(exc)
    return "sent"


async def test_only_a_certificate_of_the_authority_for_this_host_and_time_is_accepted(
    tmp_path: Path,
) -> None:
    place = Secured(tmp_path)
    ca = place.authority.ca.name
    async with place.server() as peer:
        assert await place.send(peer, ca=ca) == "sent"
        assert "certificate not accepted" in await place.send(peer)
        assert await place.send(peer, verify=False) == "sent"
        other = Authority(tmp_path, "other").ca.name
        assert "unable to get local issuer" in await place.send(peer, ca=other)
    async with place.server("elsewhere.example") as peer:
        assert "not valid for '127.0.0.1'" in await place.send(peer, ca=ca)
    async with place.server(expired=True) as peer:
        assert "certificate has expired" in await place.send(peer, ca=ca)
        assert not peer.seen


async def test_a_renewed_authority_counts_without_a_restart(tmp_path: Path) -> None:
    place, trusted = Secured(tmp_path), tmp_path / "trusted.pem"
    trusted.write_bytes(Authority(tmp_path, "before").ca.read_bytes())
    async with (
        place.server() as peer,
        of_kind("loki", tmp_path, url=peer.url, tls={"ca": "trusted.pem"}) as backend,
    ):
        assert "certificate not accepted" in await attempt(backend)
        trusted.unlink()
        assert "tls.ca cannot be read" in await attempt(backend)
        trusted.write_bytes(place.authority.ca.read_bytes())
        assert await attempt(backend) == "sent"


async def test_a_server_that_wants_to_know_who_we_are_is_told(tmp_path: Path) -> None:
    place = Secured(tmp_path)
    certificate, key = place.authority.issue("client")
    async with place.server(client=True) as peer:
        ours = {"ca": place.authority.ca.name, "cert": certificate.name}
        assert await place.send(peer, key=key.name, **ours) == "sent"
        assert await place.send(peer, ca=ours["ca"]) != "sent"


async def test_what_speaks_no_tls_gets_nothing(peer: Loki, tmp_path: Path) -> None:
    url = peer.url.replace("http:", "https:")
    async with of_kind("loki", tmp_path, url=url) as backend:
        assert "TLS failed" in await attempt(backend)
    assert not peer.seen


async def test_a_bulk_partly_refused_ends_with_each_document_once(tmp_path: Path) -> None:
    async with (
        Elasticsearch() as peer,
        of_kind("elasticsearch", tmp_path, url=peer.url) as backend,
    ):
        peer.refuse = lambda document: {"line 1": 429, "line 2": 400}.get(
            document["message"][:6], 0
        )
        with pytest.raises(Retryable, match=r"refused \(429\)"):
            await backend.send(batch(4))
        assert len(peer.documents) == 2
        peer.refuse = lambda document: 400 * document["message"].startswith("line 2")
        with pytest.raises(Rejected) as caught:
            await backend.send(batch(4))
        assert caught.value.positions == (2,)
        assert sorted(peer.lines()) == [f'line {n} {{"id"'.encode() for n in (0, 1, 3)]
