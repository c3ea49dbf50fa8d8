from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from typing import Any

import pytest

from towline.own_log import PERIOD, TOLD, JsonFormat, StoreHandler, TextFormat

log = logging.getLogger("towline.test_own_log")


def record(text: str, levelno: int = logging.INFO, **extra: Any) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "towline.x", "msg": text, "levelno": levelno, "created": 1700000000.25}
    )
    made.levelname = logging.getLevelName(levelno)
    vars(made).update(extra)
    return made


def test_a_line_is_time_level_text_and_fields() -> None:
    made = record("engine away", logging.WARNING, source="docker", reason="Connection refused")
    line = TextFormat().format(made)
    assert line == (
        '2023-11-14T22:13:20.250Z WARNING engine away source=docker reason="Connection refused"'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('a "b"', '"a \\"b\\""'),
        ("über uns", '"über uns"'),
        ("a\nERROR forged", '"a\\nERROR forged"'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("\x9b2J\u202e", '"\\u009b2J\\u202e"'),
        (7, "7"),
        (None, "None"),
    ],
)
def test_a_value_can_neither_end_a_line_nor_steer_a_terminal(value: object, shown: str) -> None:
    assert TextFormat().format(record("x", key=value)).endswith(f" x key={shown}")


def test_a_fault_brings_its_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        made = record("component crashed", logging.ERROR, exc_info=sys.exc_info())
    assert "ValueError: broken" in TextFormat().format(made)
    assert "ValueError: broken" in json.loads(JsonFormat().format(made))["traceback"]


def test_json_holds_one_object_a_line_and_fields_cannot_take_the_place_of_the_rest() -> None:
    made = record("odd", time="never", level=9, logger="?", path=threading, more="a\nb")
    line = JsonFormat().format(made)
    assert "\n" not in line
    found = json.loads(line)
    assert list(found)[:4] == ["time", "level", "message", "logger"]
    assert (found["time"], found["level"]) == ("2023-11-14T22:13:20.250Z", "info")
    assert (found["logger"], found["more"]) == ("towline.x", "a\nb")


class Told:
    """Takes what enters the store; may itself warn."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.warns = False

    def __call__(self, text: str, level: str) -> None:
        self.rows.append((level, text))
        if self.warns:
            log.warning("telling failed")


async def settled() -> None:
    """Until what was handed to the loop before has run."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    await done.wait()


async def test_warnings_and_worse_enter_the_store_and_nothing_less() -> None:
    told = Told()
    with StoreHandler(told):
        log.info("started")
        log.warning("engine away", extra={"reason": "no answer"})
        log.error("data is lost")
        log.critical("the end")
        await settled()
    log.warning("after the end")
    await settled()
    assert told.rows == [
        ("warn", 'engine away reason="no answer"'),
        ("error", "data is lost"),
        ("fatal", "the end"),
    ]


async def test_what_is_a_record_already_does_not_become_a_second_one() -> None:
    told = Told()
    with StoreHandler(told):
        log.error("configuration not applied", extra={"outcome": "refused", **TOLD})
        await settled()
    assert told.rows == []
    assert "told" not in TextFormat().format(record("x", logging.ERROR, **TOLD))


async def test_a_fault_is_told_in_one_line_without_its_traceback() -> None:
    told = Told()
    with StoreHandler(told):
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("component crashed", extra={"component": "sources.docker"})
        await settled()
    text = "component crashed component=sources.docker: ValueError: broken"
    assert told.rows == [("error", text)]


async def test_what_telling_warns_of_is_not_told() -> None:
    told = Told()
    told.warns = True
    with StoreHandler(told):
        log.warning("once")
        await settled()
        await settled()
    assert told.rows == [("warn", "once")]


async def test_a_storm_is_bounded_and_the_rest_counted() -> None:
    told, now = Told(), 0.0
    with StoreHandler(told, most=3, clock=lambda: now) as handler:
        for number in range(10):
            log.warning("again", extra={"number": number})
        now = PERIOD
        log.warning("later")
        log.warning("and on")
        await settled()
        assert handler.left_out == 7
    assert [text for _, text in told.rows] == [
        "again number=0",
        "again number=1",
        "again number=2",
        "later (7 more before it are in Towline's own output only)",
        "and on",
    ]


async def test_a_warning_from_a_thread_is_told_in_the_loop() -> None:
    where: list[int] = []
    with StoreHandler(lambda text, level: where.append(threading.get_ident())):
        await asyncio.to_thread(log.warning, "from afar")
        await settled()
    assert where == [threading.get_ident()]


def test_a_warning_after_the_loop_was_closed_harms_nobody() -> None:
    async def handler() -> StoreHandler:
        return StoreHandler(Told())

    with asyncio.run(handler()):
        log.warning("too late")
