from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.api.world import DB, NOW, World, client, token
from tests.unit.api.world import world as open_world
from towline.api import logs
from towline.store import answer, codec, search

LOGS = "/api/v1/logs"


async def messages(api: httpx.AsyncClient, query: str) -> list[str]:
    answer = await api.get(f"{LOGS}?{query}")
    assert answer.status_code == 200, answer.text
    return [record["message"] for record in answer.json()["logs"]]


async def refusal(api: httpx.AsyncClient, query: str) -> tuple[int, str]:
    answer = await api.get(f"{LOGS}?{query}")
    return answer.status_code, answer.json()["error"]["code"]


async def test_records_are_served_byte_for_byte_as_stored(
    world: World, api: httpx.AsyncClient
) -> None:
    record = world.say('quote " and ü')[0]
    answer = await api.get(LOGS)
    assert answer.content == b'{"count":1,"logs":[' + record.json + b'],"next":null}'


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["d", "c", "b", "a"]),
        ("order=asc", ["a", "b", "c", "d"]),
        ("limit=2", ["d", "c"]),
        ("limit=0", ["d"]),
        ("serviceName=db", ["d", "c"]),
        ("name=db", ["d", "c"]),
        ("name=shop-db-1&name=web", ["d", "c", "b", "a"]),
        (f"name={'b' * 12}", ["d", "c"]),
        ("name=db&level=error", ["c"]),
        ("name=d", []),
        ("serviceName=db&serviceName=web", ["d", "c", "b", "a"]),
        ("serviceName=we*", ["b", "a"]),
        ("serviceId=7", ["b", "a"]),
        (f"containerId={'b' * 64}", ["d", "c"]),
        (f"containerId={'b' * 12}", ["d", "c"]),
        ("level=error", ["c"]),
        ("level=error&level=debug", ["d", "c"]),
        ("minLevel=warn", ["c"]),
        ("sourceType=host", []),
        ("sourceType=container", ["d", "c", "b", "a"]),
        ("project=shop&app=1001", ["b", "a"]),
        ("container=shop-db-1", ["d", "c"]),
        ("device=other", []),
        ("stream=stderr", ["c"]),
        ("regex=^[ab]$", ["b", "a"]),
        ("text=A", []),
        ("text=a", ["a"]),
        ("not=a", ["d", "c", "b"]),
        (f"since={NOW + 3000}", ["d", "c"]),
        (f"until={NOW + 3000}", ["b", "a"]),
        ("since=2023-11-14T22:13:23Z", ["d", "c"]),
        ("since=2023-11-14T23:13:23+01:00", ["d", "c"]),
        ("since=1h", []),
    ],
)
async def test_every_filter_selects_what_it_says(
    world: World, api: httpx.AsyncClient, query: str, found: list[str]
) -> None:
    world.say("a", "b")
    world.say("c", origin=DB, level="error", stderr=True)
    world.say("d", origin=DB, level="debug")
    assert await messages(api, query) == found


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("levle=error", "unknown_parameter"),
        ("level=loud", "bad_parameter"),
        ("minLevel=info&minLevel=warn", "bad_parameter"),
        ("regex=(?=a)", "bad_regex"),
        ("since=yesterday", "bad_parameter"),
        ("limit=ten", "bad_parameter"),
        ("limit=-1_0", "bad_parameter"),
        ("after=xyz", "bad_parameter"),
        ("serviceId=web", "bad_parameter"),
        ("format=xml", "bad_parameter"),
        ("token=secret", "unknown_parameter"),
    ],
)
async def test_what_is_not_understood_is_refused_by_name(
    api: httpx.AsyncClient, query: str, code: str
) -> None:
    assert await refusal(api, query) == (400, code)


async def test_a_misspelt_parameter_is_answered_with_the_nearest_one(
    api: httpx.AsyncClient,
) -> None:
    answer = await api.get(f"{LOGS}?servicename=web")
    assert "did you mean serviceName?" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("order", "way"), [("desc", "before"), ("asc", "after")])
async def test_pages_follow_on_without_a_repeat_or_a_hole(
    world: World, api: httpx.AsyncClient, order: str, way: str
) -> None:
    sent = [record.message for record in world.say(*(f"m{i}" for i in range(11)))]
    found: list[str] = []
    place = ""
    while True:
        answer = (await api.get(f"{LOGS}?limit=3&order={order}{place}")).json()
        assert answer["count"] == len(answer["logs"]) <= 3
        found += [record["message"] for record in answer["logs"]]
        if answer["next"] is None:
            break
        place = f"&{way}={answer['next']}"
    assert found == (sent if order == "asc" else sent[::-1])


async def test_an_answer_of_many_bytes_ends_early_and_can_be_gone_on_from(
    world: World, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE_BYTES", 1000)
    monkeypatch.setattr(answer, "PAGE_BYTES", 1000)
    world.say(*("x" * 400 for _ in range(5)))
    first = (await api.get(f"{LOGS}?limit=5")).json()
    assert 0 < first["count"] < 5
    rest = (await api.get(f"{LOGS}?limit=5&before={first['next']}")).json()
    assert rest["logs"][0]["id"] < first["logs"][-1]["id"]


async def test_a_search_by_body_takes_the_same_filters(
    world: World, api: httpx.AsyncClient
) -> None:
    world.say("<script>", "b")
    body = {"text": "<script>", "serviceId": [7], "limit": 5, "level": ["info"], "regex": None}
    answer = await api.post(f"{LOGS}/search", json=body)
    assert [record["message"] for record in answer.json()["logs"]] == ["<script>"]


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"text": {}}', b'{"limit": 1.5}', b"\xff"])
async def test_a_body_that_is_no_search_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    assert (await api.post(f"{LOGS}/search", content=body)).status_code == 400


async def test_a_body_over_the_limit_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{LOGS}/search", content=b"x" * ((1 << 20) + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_the_old_path_answers_the_same(world: World, api: httpx.AsyncClient) -> None:
    world.say("a")
    assert (await api.get("/v1/logs?limit=1")).content == (await api.get(LOGS)).content


async def test_ndjson_is_a_stored_row_a_line(world: World, api: httpx.AsyncClient) -> None:
    records = world.say("a", "b", "c")
    answer = await api.get(f"{LOGS}?format=ndjson&order=asc&limit=2")
    assert answer.content == records[0].json + b"\n" + records[1].json + b"\n"
    assert answer.headers["x-towline-next"] == records[1].id


async def test_text_cannot_steer_a_terminal(world: World, api: httpx.AsyncClient) -> None:
    world.say("\x1b[2J\r\nGET \u202eevil\x9b")
    answer = await api.get(f"{LOGS}?format=text")
    line = "2023-11-14T22:13:21.000000000Z info  shop-web-1 "
    assert answer.text == line + r"\x1b[2J\x0d\x0aGET \u202eevil\x9b" + "\n"


async def test_csv_cells_are_no_formulas(world: World, api: httpx.AsyncClient) -> None:
    world.say('=HYPERLINK("x")', "-1+1", '@a,"b"')
    answer = await api.get(f"{LOGS}?format=csv&order=asc")
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert [row["message"] for row in rows] == ['\'=HYPERLINK("x")', "'-1+1", '\'@a,"b"']
    assert rows[0]["containerName"] == "shop-web-1"


async def test_count_counts_what_the_filters_select(world: World, api: httpx.AsyncClient) -> None:
    world.say("a", "b")
    world.say("c", origin=DB)
    assert (await api.get(f"{LOGS}/count?serviceName=web")).json() == {"count": 2}


async def test_histogram_counts_per_bucket_and_level(world: World, api: httpx.AsyncClient) -> None:
    world.say("a", "b", "c")
    world.say("d", level="error")
    query = f"since={NOW}&until={NOW + 10_000}&bucket=2s"
    answer: dict[str, Any] = (await api.get(f"{LOGS}/histogram?{query}")).json()
    assert answer["bucket"] == 2000
    assert answer["buckets"] == [
        {"start": NOW, "counts": {"info": 1}},
        {"start": NOW + 2000, "counts": {"info": 2}},
        {"start": NOW + 4000, "counts": {"error": 1}},
    ]


async def test_histogram_has_a_bounded_number_of_buckets(api: httpx.AsyncClient) -> None:
    answer = (await api.get(f"{LOGS}/histogram?since=0&until={NOW}&bucket=1ms")).json()
    assert NOW / answer["bucket"] <= logs.MAX_BUCKETS


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("shape", ["ndjson", "text", "csv"])
async def test_an_export_is_all_that_matches_in_as_many_pieces_as_it_takes(
    world: World, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, shape: str, order: str
) -> None:
    world.say("other", origin=DB)
    sent = [record.message for record in world.say(*(f"m{i}" for i in range(11)))]
    whole = await api.get(f"{LOGS}?serviceName=web&order={order}&format={shape}")
    monkeypatch.setattr(logs, "CHUNK", 4)
    answer = await api.get(f"{LOGS}/export?serviceName=web&order={order}&format={shape}")
    assert answer.content == whole.content
    assert all(answer.text.count(text) >= 1 for text in sent)
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["content-type"] == whole.headers["content-type"]


async def test_an_export_with_a_pattern_that_is_none_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{LOGS}/export?regex=(")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_regex")


async def test_an_export_has_no_limit_to_ask_for(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{LOGS}/export?limit=5")
    assert answer.json()["error"]["code"] == "unknown_parameter"


async def test_what_stands_about_a_record_is_found_by_its_id(
    world: World, api: httpx.AsyncClient
) -> None:
    records = world.say(*(f"m{i}" for i in range(9)))
    world.say("other", origin=DB)
    middle = records[4].id
    assert await messages(api, f"around={middle}&context=2") == ["m2", "m3", "m4", "m5", "m6"]
    assert await messages(api, f"around={middle}&context=0") == ["m4"]
    assert await messages(api, f"around={records[0].id}&context=1") == ["m0", "m1"]
    assert await messages(api, f"around={records[8].id}&serviceName=web") == [
        f"m{i}" for i in range(9)
    ]
    whole = (await api.get(f"{LOGS}?around={middle}")).json()
    assert whole["next"] is None


@pytest.mark.parametrize("given", ["before=", "after=", "limit=5", "order=asc"])
async def test_around_has_its_own_order_and_end(
    world: World, api: httpx.AsyncClient, given: str
) -> None:
    (record,) = world.say("a")
    given += record.id if given.endswith("=") else ""
    assert await refusal(api, f"around={record.id}&{given}") == (400, "bad_parameter")
    assert await refusal(api, "context=5") == (400, "bad_parameter")


async def test_a_page_for_which_the_time_is_up_says_so_and_can_be_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec, "BLOCK", 2000)
    async with open_world(tmp_path, memory=1, persist=True) as world, client(world) as api:
        await _go_on(world, api)


async def _go_on(world: World, api: httpx.AsyncClient) -> None:
    world.store.answers.budget = -1.0
    sent = [record.message for record in world.say(*(f"m{i}" for i in range(60)))]
    found: list[str] = []
    place, pages = "", 0
    while True:
        page = (await api.get(f"{LOGS}?regex=[05]$&limit=50{place}")).json()
        found += [record["message"] for record in page["logs"]]
        pages += 1
        if page["next"] is None:
            break
        assert page["partial"] is True
        place = f"&before={page['next']}"
    assert found == [text for text in reversed(sent) if text[-1] in "05"]
    assert pages > 3


async def test_a_count_for_which_the_time_is_up_is_refused(tmp_path: Path) -> None:
    async with open_world(tmp_path, memory=1, persist=True) as world, client(world) as api:
        world.store.answers.budget = -1.0
        world.say("a", "b")
        refused = await api.get(f"{LOGS}/count?regex=a")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "query_too_slow")
    assert "Retry-After" in refused.headers


async def test_removing_needs_a_filter_or_the_word_all(
    world: World, api: httpx.AsyncClient
) -> None:
    world.say("a", "b")
    world.say("c", origin=DB)
    for query in ("", "?all=false", "?all=true&serviceName=web", "?serviceName="):
        answer = await api.delete(f"{LOGS}{query}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")
    assert (await api.delete(f"{LOGS}?serviceName=web")).json() == {"removed": 2}
    assert world.notes == ["2 records removed (serviceName=web), by 127.0.0.1"]
    assert (await api.get(f"{LOGS}/count")).json() == {"count": 1}
    assert (await api.delete(f"{LOGS}?all=true")).json() == {"removed": 1}


async def test_only_an_admin_may_remove(world: World) -> None:
    tokens = (token("o", "operate"), token("a", "admin"))
    async with client(world, tokens=tokens, peer="10.0.0.1") as api:
        for text, status in (("o", 403), ("a", 200)):
            headers = {"Authorization": f"Bearer {text}"}
            answer = await api.delete(f"{LOGS}?all=true", headers=headers)
            assert answer.status_code == status
    assert world.notes == ["0 records removed (all=true), by a"]
