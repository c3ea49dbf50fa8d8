"""What goes wrong with actions: a broker that is away, servers that fail, hang or send us on."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.alert_rig import Request, Server, serving
from tests.real.certificates import Authority
from tests.real.until import auntil
from tests.unit.config.kinds import loaded
from towline.actions.http import HttpAction
from towline.actions.occasion import Occasion
from towline.actions.opening import jobs
from towline.actions.ports import Around
from towline.actions.runner import Runner
from towline.config.actions import Http
from towline.errors import Rejected, Retryable
from towline.status import Health

OCCASION = Occasion(
    about="alerts.one",
    name="one",
    device="pi",
    words={"message": 'a "quoted" line\nand one more', "service": "web/../x"},
    json=b'{"alert":"one"}',
)


def written(more: str) -> Http:
    """An `http` action as a file says it."""
    text = f"version: 1\nalerts: {{one: {{match: {{}}, actions: [{{http: {{{more}}}}}]}}}}\n"
    (found,) = loaded(text).alerts["one"].actions
    assert isinstance(found, Http)
    return found


async def sent(server: Server, more: str = "") -> Request:
    """The request of an action, as the server saw it."""
    await HttpAction(written(f'url: "{server.url}/x"{more}'), Path()).perform(OCCASION)
    return server.requests[-1]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as found:
        yield found


async def test_without_a_body_everything_is_sent_as_json(server: Server) -> None:
    request = await sent(server)
    assert request.body == OCCASION.json
    assert request.headers["Content-Type"] == "application/json"


async def test_a_text_is_sent_as_it_is_and_a_mapping_as_json(server: Server) -> None:
    request = await sent(server, ', body: "{service}: {message}"')
    assert request.body.decode() == 'web/../x: a "quoted" line\nand one more'
    assert request.headers["Content-Type"].startswith("text/plain")
    request = await sent(server, ', body: {text: "{message}", n: 1}')
    assert request.body == b'{"text": "a \\"quoted\\" line\\nand one more", "n": 1}'


async def test_a_value_is_quoted_in_an_address_and_cannot_add_a_header(server: Server) -> None:
    settings = written(f'url: "{server.url}/{{service}}/y", headers: {{X-Line: "{{message}}"}}')
    await HttpAction(settings, Path()).perform(OCCASION)
    assert server.requests[0].path == "/web%2F..%2Fx/y"
    assert server.requests[0].headers["X-Line"] == 'a "quoted" line and one more'


async def test_a_get_has_no_body(server: Server) -> None:
    request = await sent(server, ", method: GET")
    assert (request.method, request.body) == ("GET", b"")


@pytest.mark.parametrize("status", [200, 204, 303])
async def test_these_are_done(server: Server, status: int) -> None:
    server.answer = lambda _: web.Response(status=status, headers={"Location": "/elsewhere"})
    await sent(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_these_are_worth_another_try(server: Server, status: int) -> None:
    server.answer = lambda _: web.Response(status=status, headers={"Retry-After": "7"})
    with pytest.raises(Retryable, match=f"HTTP {status}") as caught:
        await sent(server)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
async def test_these_will_never_work(server: Server, status: int) -> None:
    server.answer = lambda _: web.Response(status=status)
    with pytest.raises(Rejected, match=f"HTTP {status}"):
        await sent(server)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_on_the_same_host_keeps_method_and_body(
    server: Server, status: int
) -> None:
    def answer(request: Request) -> web.Response:
        if request.path == "/x":
            return web.Response(status=status, headers={"Location": "/moved?a=b"})
        return web.Response()

    server.answer = answer
    request = await sent(server)
    assert (request.method, request.path, request.body) == ("POST", "/moved?a=b", OCCASION.json)


async def test_a_redirect_to_another_host_is_refused_and_gets_no_secret(server: Server) -> None:
    async with serving() as other:
        server.answer = lambda _: web.Response(status=307, headers={"Location": other.url})
        with pytest.raises(Rejected, match="another host"):
            await sent(server, ", headers: {Authorization: Bearer hunter2}")
        assert other.requests == []


async def test_a_redirect_in_a_circle_ends(server: Server) -> None:
    server.answer = lambda _: web.Response(status=307, headers={"Location": "/x"})
    with pytest.raises(Rejected, match="again and again"):
        await sent(server)
    assert len(server.requests) < 10


async def test_nobody_there_is_worth_another_try_and_no_reason_names_the_address() -> None:
    action = HttpAction(written('url: "http://127.0.0.1:9/hooks/hunter2"'), Path())
    with pytest.raises(Retryable) as caught:
        await action.perform(OCCASION)
    assert "refused" in str(caught.value).lower()
    assert "hunter2" not in str(caught.value)


def test_address_and_headers_are_never_shown() -> None:
    settings = written('url: "http://host/hooks/hunter2", headers: {Authorization: hunter3}')
    assert "hunter" not in repr(settings) + str(settings)


async def test_https_trusts_the_authority_that_is_named_and_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    async with serving(context) as server:
        with pytest.raises(Retryable, match="certificate"):
            await sent(server)
        trusting = written(f'url: "{server.url}", tls: {{ca: {authority.ca.name}}}')
        await HttpAction(trusting, tmp_path).perform(OCCASION)
        assert len(server.requests) == 1


@asynccontextmanager
async def running(text: str, server: Server) -> AsyncIterator[tuple[Runner, list[Any]]]:
    """The runner of a file's actions; pauses between tries are short."""
    alert = loaded(text.replace("URL", server.url)).alerts["one"]
    told: list[Any] = []
    around = Around(
        broker=lambda _: None, notifier=None, tell=lambda *said: told.append(said), folder=Path()
    )
    yield (
        Runner(
            "alerts.one",
            jobs(alert.actions, around),
            Health(),
            sleep=lambda seconds: asyncio.sleep(min(seconds, 0.01)),
        ),
        told,
    )


async def test_a_hanging_server_and_a_broker_that_is_away_leave_the_others_alone(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.hanging = asyncio.Event()
    text = """version: 1
brokers: {home: {servers: [mqtt://nas]}}
alerts:
  one:
    match: {}
    actions:
      - http: {url: URL/hunter2, timeout: 100ms, retry: off}
      - publish: {broker: home, topic: x, retry: off}
      - log: {}
"""
    async with running(text, server) as (runner, told):
        with caplog.at_level(logging.DEBUG):
            assert await runner.run(OCCASION)
        assert [job.last_error for job in runner.jobs] == [
            "no answer in time",
            "broker home is not running",
            "",
        ]
        assert [job.failed for job in runner.jobs] == [1, 1, 0]
        assert len(told) == 1
    assert "hunter2" not in caplog.text


async def test_a_server_that_comes_back_gets_what_it_missed(server: Server) -> None:
    server.answer = lambda _: web.Response(status=500 if len(server.requests) < 4 else 200)
    text = "version: 1\nalerts: {one: {match: {}, actions: [{http: {url: URL}}]}}\n"
    async with running(text, server) as (runner, _):
        assert await runner.run(OCCASION)
        (job,) = runner.jobs
        assert (job.executed, job.retried, job.failed) == (1, 3, 0)
        assert len(server.requests) == 4


async def test_many_at_once_all_arrive_and_few_at_a_time(server: Server) -> None:
    server.hanging = asyncio.Event()
    text = "version: 1\nalerts: {one: {match: {}, actions: [{http: {url: URL}}]}}\n"
    async with running(text, server) as (runner, _):
        tasks = [asyncio.create_task(runner.run(OCCASION)) for _ in range(100)]
        await auntil(lambda: len(server.requests) == 4)
        server.hanging.set()
        assert all(await asyncio.gather(*tasks))
        assert len(server.requests) == 100
