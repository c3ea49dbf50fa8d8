from __future__ import annotations

import json

import pytest

from towline.record import Origin, OriginType
from towline.sources.journald.entries import (
    Cursor,
    dropped,
    line_of,
    origin_of,
    stable_name,
    unit_of,
    whose,
)
from towline.sources.journald.export import Entry

CONTAINER: Entry = {
    b"MESSAGE": b"hello",
    b"PRIORITY": b"3",
    b"_UID": b"0",
    b"CONTAINER_ID_FULL": b"c" * 64,
    b"CONTAINER_NAME": b"shop-api-1",
    b"IMAGE_NAME": b"shop/api:3",
    b"__REALTIME_TIMESTAMP": b"1696195201000123",
}


def origin(entry: Entry) -> Origin:
    return origin_of(whose(entry), device="pi", source="host")


def test_a_container_is_named_by_its_name_and_writes_on_a_stream() -> None:
    found = origin(CONTAINER)
    assert (found.type, found.name, found.image) == ("container", "shop-api-1", "shop/api:3")
    assert found.container_id == "c" * 64
    line = line_of(CONTAINER, 7)
    assert (line.text, line.stderr, line.seq, line.level) == ("hello", True, 7, "")
    assert line.time == "2023-10-01T21:20:01.000123000Z"
    assert line.timestamp == 1696195201000


def test_what_anybody_may_claim_is_not_believed() -> None:
    forged = CONTAINER | {b"_UID": b"1000", b"_COMM": b"bash", b"UNIT": b"ssh.service"}
    assert origin(forged).type == OriginType.HOST
    assert origin(forged).name == "bash"


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (b"2023-10-01T21:20:01.000000123Z", "2023-10-01T21:20:01.000000123Z"),
        (b"2023-10-01T21:20:01.5Z", "2023-10-01T21:20:01.500000000Z"),
        (b"2023-10-01T21:20:01Z", "2023-10-01T21:20:01.000000000Z"),
        (b"Oct 01 21:20:01", "2023-10-01T21:20:01.000123000Z"),
    ],
)
def test_docker_tells_the_time_where_it_does(stamp: bytes, expected: str) -> None:
    line = line_of(CONTAINER | {b"SYSLOG_TIMESTAMP": stamp}, 1)
    assert line.time == expected
    assert line.timestamp // 1000 == 1696195201


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({b"_TRANSPORT": b"kernel", b"SYSLOG_IDENTIFIER": b"kernel"}, b"kernel"),
        ({b"_SYSTEMD_UNIT": b"ssh.service", b"SYSLOG_IDENTIFIER": b"sshd"}, b"ssh.service"),
        ({b"_SYSTEMD_UNIT": b"init.scope", b"UNIT": b"ssh.service", b"_UID": b"0"}, b"ssh.service"),
        ({b"SYSLOG_IDENTIFIER": b"cron", b"_COMM": b"cron"}, b"cron"),
        ({b"_COMM": b"bash"}, b"bash"),
        ({}, b"unknown"),
    ],
)
def test_an_entry_of_the_host_belongs_to_the_unit_it_is_about(
    entry: Entry, expected: bytes
) -> None:
    assert unit_of(entry) == expected


def test_a_unit_s_priority_is_its_level_and_who_said_it_a_field() -> None:
    entry = {
        b"MESSAGE": b"refused \xff",
        b"PRIORITY": b"4",
        b"_SYSTEMD_UNIT": b"ssh.service",
        b"SYSLOG_IDENTIFIER": b"sshd",
        b"_PID": b"123",
    }
    found = origin(entry)
    assert (found.type, found.name, found.service) == ("host", "ssh.service", "ssh")
    line = line_of(entry, 1)
    assert (line.level, line.text) == ("warn", "refused \N{REPLACEMENT CHARACTER}")
    assert json.loads(line.fields) == {"identifier": "sshd", "pid": 123}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("addon_core_mosquitto", "core_mosquitto"),
        ("app_core_mosquitto", "core_mosquitto"),
        ("app_a0d7b954_ssh", "a0d7b954_ssh"),
        ("addon_local_mine", "local_mine"),
        ("app_web_1", "app_web_1"),
        ("homeassistant", "homeassistant"),
        ("hassio_supervisor", "hassio_supervisor"),
    ],
)
def test_an_app_is_named_by_its_slug_before_and_after_its_prefix_changed(
    name: str, expected: str
) -> None:
    assert stable_name(name) == expected


def test_a_cursor_tells_series_and_number() -> None:
    assert Cursor.parse(b"s=c868;i=3ae;b=4a1d;m=1;t=2;x=3") == Cursor(b"c868", 0x3AE)
    with pytest.raises(ValueError, match="not a journal cursor"):
        Cursor.parse(b"i=3ae")


def test_suppressed_messages_are_counted_by_the_journal_itself() -> None:
    assert dropped({b"N_DROPPED": b"17"}) == 17
    assert dropped({b"N_DROPPED": b"x"}) == dropped({}) == 0
