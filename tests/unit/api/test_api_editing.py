from __future__ import annotations

import httpx
import pytest

from tests.unit.api.world import World
from towline.api.masking import masked, still_masked, unmasked
from towline.errors import ConfigError, Problem

CONFIG = "/api/v1/config"
TEXT = """version: 1
brokers:
  home:   # the one in the hall
    servers: [mqtt://broker]
    password: "hunter2"   # to be a !secret some day
  away: {servers: [mqtt://other], password: !secret other}
pipeline: {redact: [{pattern: x, with: "***"}]}
"""


async def etag(api: httpx.AsyncClient) -> str:
    return (await api.get(CONFIG)).headers["etag"]


async def test_an_edit_keeps_what_was_masked_and_every_comment(
    world: World, api: httpx.AsyncClient
) -> None:
    world.text = TEXT
    shown = (await api.get(CONFIG)).text
    assert "hunter2" not in shown
    edited = shown.replace("mqtt://broker", "mqtt://new")
    answer = await api.put(CONFIG, content=edited, headers={"If-Match": await etag(api)})
    assert answer.json()["outcome"] == "applied"
    assert world.text == TEXT.replace("mqtt://broker", "mqtt://new")
    assert answer.headers["etag"] == await etag(api)


async def test_an_edit_of_a_text_that_has_changed_meanwhile_is_refused(
    world: World, api: httpx.AsyncClient
) -> None:
    before = await etag(api)
    world.text = TEXT
    answer = await api.put(CONFIG, content="version: 1", headers={"If-Match": before})
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "changed_meanwhile")
    assert world.text == TEXT


async def test_an_edit_must_say_which_text_it_saw(api: httpx.AsyncClient) -> None:
    assert (await api.put(CONFIG, content="version: 1")).status_code == 428


async def test_a_mask_that_stands_for_nothing_is_refused(
    world: World, api: httpx.AsyncClient
) -> None:
    world.text = TEXT
    moved = masked(TEXT).replace("home:", "hall:")
    answer = await api.put(CONFIG, content=moved, headers={"If-Match": "*"})
    assert answer.json()["error"]["code"] == "masked_value"
    assert world.text == TEXT


async def test_an_edit_at_fault_is_answered_with_its_problems(
    world: World, api: httpx.AsyncClient
) -> None:
    world.reload_error = ConfigError([Problem(code="unknown_key", text="no such key", line=3)])
    answer = await api.put(CONFIG, content="version: 1", headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert answer.json()["error"]["problems"][0]["line"] == 3


async def test_history_is_served(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/config/history")).json()
    assert found["history"][0]["actor"] == "start"


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "a: {url: 'http://u:p4ss@host/x'}",
        "api: {tokens: [{name: a, hash: abc}, {name: b, hash: def}]}",
        "password: |\n  two\n  lines\nnext: 1\n",
    ],
)
def test_what_is_masked_comes_back_whole(text: str) -> None:
    assert unmasked(masked(text), text) == text
    assert not still_masked(unmasked(masked(text), text))
