from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.unit.runtime.trial_rig import DB, WEB, line, settings
from towline.pipeline.encode import encode, template_of
from towline.pipeline.pipeline import Pipeline
from towline.record import Line, Origin
from towline.runtime.preview import SAMPLES, Present, Preview

OLD = "routes:\n- {match: {service: web}, to: mqtt}\n"
NEW = """routes:
- {match: {regex: payment}, to: elk, final: true}
- {match: {service: web}, to: mqtt}
"""


def rows(*lines: Line, origin: Origin = WEB, by: str = "", offset: int = 0) -> list[bytes]:
    """Lines as a Towline with that file has stored them."""
    return [each.json for each in Pipeline(settings(by).pipeline).refine(origin, [*lines], offset)]


def found(new: str, stored: list[bytes], old: str | None = OLD, **rest: Any) -> dict[str, Any]:
    present = None if old is None else Present.of(settings(old))
    preview = Preview(settings(new), present, **rest)
    preview.add(stored)
    return preview.as_json()


def test_records_are_counted_now_and_then() -> None:
    stored = rows(line("payment", 5), line("fine", 7)) + rows(line("payment"), origin=DB)
    told = found(NEW, stored)
    assert (told["records"], told["since"], told["until"]) == (3, 0, 7)
    assert {name: (each["now"], each["then"]) for name, each in told["backends"].items()} == {
        "elk": (0, 2),
        "loki": (0, 0),
        "mqtt": (2, 1),
    }
    assert told["backends"]["elk"]["gained"]["count"] == 2
    (lost,) = told["backends"]["mqtt"]["lost"]["samples"]
    assert (lost["message"], lost["timestamp"], lost["name"]) == ("payment", 5, "shop-web-1")


def test_what_is_in_force_may_be_unknown() -> None:
    told = found(NEW, rows(line("payment")), old=None)
    assert told["backends"]["elk"] == {
        "now": None,
        "then": 1,
        "gained": {"count": 0, "samples": []},
        "lost": {"count": 0, "samples": []},
    }


def test_a_backend_that_is_gone_is_counted_too() -> None:
    old = settings(OLD)
    preview = Preview(settings(NEW), Present(("old", *old.backends), ()))
    preview.add(rows(line("fine")))
    told = preview.as_json()["backends"]
    assert (told["old"]["now"], told["old"]["then"], told["old"]["lost"]["count"]) == (1, 0, 1)


def test_the_same_file_changes_nothing_of_what_it_stored() -> None:
    lines = [
        line('{"level": "warn", "msg": "password=hunter2", "n": 1}'),
        line("ERROR password=hunter2"),
        line("oops", stderr=True),
        line("from the journal", level="fatal"),
    ]
    told = found(OLD, rows(*lines))
    assert told["levels"] == []
    assert (told["redacted"]["count"], told["parsed"]["count"]) == (0, 0)
    assert [each["gained"]["count"] for each in told["backends"].values()] == [0, 0, 0]


def test_what_would_be_redacted_parsed_and_of_another_level_is_shown() -> None:
    raw = "pipeline: {parse: [], redact: []}\n"
    stored = rows(
        line('{"level": "warn", "msg": "slow"}'), line("password=hunter2"), by=raw, offset=40
    )
    told = found("", stored)
    (level,) = told["levels"]
    assert (level["before"], level["after"], level["count"]) == ("info", "warn", 1)
    assert level["samples"][0]["before"] == "info"
    assert told["parsed"]["samples"][0]["message"] == "slow"
    (redacted,) = told["redacted"]["samples"]
    assert (redacted["message"], redacted["id"]) == ("password=[REDACTED]", f"{41:016x}")


def test_parsed_fields_are_still_there_to_route_by() -> None:
    route = "routes: [{match: {fields: {shop: a}}, to: elk}]\n"
    stored = rows(line('{"msg": "x", "shop": "a"}'), line('{"msg": "x", "shop": "b"}'))
    assert found(route, stored)["backends"]["elk"]["then"] == 1


def test_labels_are_known_where_they_are_given() -> None:
    route = "routes: [{match: {label: tier=front}, to: elk}]\n"
    stored = rows(line("x"))
    labels = {str(WEB.container_id): (("tier", "front"),)}
    assert found(route, stored)["backends"]["elk"]["then"] == 0
    assert found(route, stored, labels=labels)["backends"]["elk"]["then"] == 1


def test_a_few_samples_stand_for_many() -> None:
    told = found(NEW, rows(*[line("payment") for _ in range(10)]))
    gained = told["backends"]["elk"]["gained"]
    assert (gained["count"], len(gained["samples"])) == (10, SAMPLES)


def test_damaged_rows_are_counted_and_passed_over() -> None:
    stored = [b"{", *rows(line("fine")), b"[]", b""]
    told = found(NEW, stored)
    assert (told["records"], told["damaged"]) == (1, 2)


def test_memory_does_not_grow_with_the_number_of_records() -> None:
    def many(count: int) -> Iterator[bytes]:
        for at in range(count):
            origin = replace(WEB, name=f"web-{at % 20}")
            yield encode(template_of(origin), [line(f"payment {at}", at, level="info")], at)[0].json

    def peak(count: int) -> int:
        preview = Preview(settings(NEW), Present.of(settings(OLD)))
        tracemalloc.start()
        try:
            stored = many(count)
            while page := [row for row, _ in zip(stored, range(100), strict=False)]:
                preview.add(page)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)
    assert peak(2000) < peak(300) * 1.5


def test_what_would_be_joined_dropped_and_limited_is_counted() -> None:
    new = """pipeline:
  drop: [{regex: GET}]
  limits: [{match: {regex: chatty}, rate: 1/m, over: drop}]
"""
    texts = ["panic: a", "\tb", "GET /", "chatty 1", "chatty 2", "chatty 3"]
    stored = rows(*(line(text, 9) for text in texts), by="pipeline: {multiline: off}\n")
    other = rows(line("between", 9), origin=DB, offset=9)
    told = found(OLD + new, [stored[0], *other, *stored[1:]], old=OLD)
    assert {step: told[step]["count"] for step in ("joined", "dropped", "limited")} == {
        "joined": 1,
        "dropped": 1,
        "limited": 2,
    }
    assert (told["backends"]["mqtt"]["now"], told["backends"]["mqtt"]["then"]) == (6, 2)
    lost = told["backends"]["mqtt"]["lost"]
    assert (lost["count"], lost["samples"][0]["message"]) == (3, "GET /")
