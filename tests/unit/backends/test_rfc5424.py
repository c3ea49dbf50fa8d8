from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backends.records import OWN, WEB, record
from towline.backends.rfc5424 import Form, counted, ended
from towline.config.syslog import FACILITIES
from towline.record import LEVELS, Origin, OriginType

NAME = r"[!#-<>-\[^-~]{1,32}"
VALUE = r'(?:[^"\\\]]|\\["\\\]])*'
ELEMENT = rf'\[{NAME}(?: {NAME}="{VALUE}")*\]'
MESSAGE = re.compile(
    rf"<(\d{{1,3}})>1 (\S+) ([!-~]{{1,255}}) ([!-~]{{1,48}}) ([!-~]{{1,128}}) ([!-~]{{1,32}})"
    rf" (-|(?:{ELEMENT})+) (.*)",
    re.DOTALL,
)
"""The grammar of section 6, as far as what we write of it."""


def form(facility: str = "user", enterprise: int = 32473, max_size: int = 8192) -> Form:
    return Form(facility, enterprise, max_size)


def test_a_message_has_its_seven_parts() -> None:
    written = form(enterprise=0).message(record("x y", stderr=True, level="error"))
    assert written == b"<11>1 2026-01-02T03:04:05.678901Z pi web c0ffee stderr - x y"


def test_severities_follow_levels() -> None:
    found = [form("local7", 0).message(record(level=level))[1:4] for level in LEVELS]
    assert found == [b"191", b"191", b"190", b"188", b"187", b"186"]


def test_facilities_stand_at_their_numbers() -> None:
    numbers = {"kern": 0, "user": 1, "daemon": 3, "authpriv": 10, "local0": 16, "local7": 23}
    assert {name: FACILITIES.index(name) for name in numbers} == numbers


def test_facts_and_fields_are_structured_data() -> None:
    written = form().message(record(fields='{"ev":"a\\"]\\\\b","n":{"x":1}}')).decode()
    assert '[towline@32473 device="pi" source="docker" name="shop-web"' in written
    assert r'[fields@32473 ev="a\"\]\\b" n="{\"x\":1}"] hello' in written
    assert 'seq="5"] hello' in form(enterprise=32473).message(record()).decode()


def test_what_is_too_large_loses_its_fields_then_its_facts_then_its_end() -> None:
    line = record("é" * 100, fields='{"a":"' + "f" * 300 + '"}')
    sizes = {}
    for size in (1000, 600, 300, 200):
        written = form(max_size=size).message(line)
        assert len(written) <= size
        sizes[size] = "fields@" in written.decode(), "towline@" in written.decode()
    assert sizes == {
        1000: (True, True),
        600: (False, True),
        300: (False, False),
        200: (False, False),
    }
    assert form(max_size=300).message(line).endswith(b"- " + "é".encode() * 100)
    assert form(max_size=200).message(line).decode().endswith("é")


@given(
    names=st.tuples(*[st.text(max_size=60)] * 6),
    text=st.text(max_size=300),
    key=st.text(),
    size=st.integers(480, 1000),
)
def test_hostile_names_make_no_other_message(
    names: tuple[str, ...], text: str, key: str, size: int
) -> None:
    device, service, container, project, image, source = names
    origin = Origin(
        type=OriginType.CONTAINER,
        name=service,
        device=device,
        service=service,
        container_id=container,
        project=project,
        image=image,
        source=source,
    )
    written = form(max_size=size).message(record(text, origin))
    assert len(written) <= size
    found = MESSAGE.fullmatch(written.decode())
    assert found
    assert text.encode(errors="replace").decode().startswith(found[8])


def test_a_counted_message_may_hold_anything() -> None:
    assert counted(b"a\nb") == b"3 a\nb"
    assert counted("é".encode()) == b"2 \xc3\xa9"


def test_an_ended_message_is_one_line() -> None:
    assert ended(b"a\nb\n") == b"a#012b#012\n"


@pytest.mark.parametrize("origin", [WEB, OWN])
def test_every_origin_makes_a_message(origin: Origin) -> None:
    assert MESSAGE.fullmatch(form().message(record(origin=origin)).decode())
