from __future__ import annotations

from typing import Any

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from towline.broker import topics
from towline.config import fields
from towline.config.compound import Listing, Named
from towline.config.faults import Fault
from towline.config.settings import Secret


def fault(validator: Any, value: Any) -> Fault:
    with pytest.raises(vol.MultipleInvalid) as caught:
        vol.Schema(validator)(value)
    (found,) = caught.value.errors
    assert isinstance(found, Fault)
    return found


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("24h", 86400), ("7d", 604800), ("1.5h", 5400)],
)
def test_durations_are_seconds(written: str, seconds: float) -> None:
    assert fields.duration(written) == seconds


@pytest.mark.parametrize("written", [5, "5", "5 weeks", "-1s", "0s", "", None, "٣s", "99999999d"])
def test_what_is_no_duration_is_refused_in_words(written: Any) -> None:
    assert "expected a duration such as 500ms" in fault(fields.duration, written).msg


def test_a_duration_without_a_unit_says_what_to_write() -> None:
    assert fault(fields.duration, 30).hint == "write 30s for seconds"


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m"]))
def test_durations_keep_their_amount(amount: int, unit: str) -> None:
    factor = {"ms": 0.001, "s": 1, "m": 60}[unit]
    assert fields.duration(f"{amount}{unit}") == pytest.approx(amount * factor)


@pytest.mark.parametrize(
    ("written", "octets"),
    [("512KB", 512_000), ("10MB", 10_000_000), ("1GB", 10**9), ("1.5 gb", 1_500_000_000)],
)
def test_sizes_are_bytes_by_thousands(written: str, octets: int) -> None:
    assert fields.size(written) == octets


@pytest.mark.parametrize("written", [10, "10", "10MiB", "0B", "MB", True])
def test_what_is_no_size_is_refused_in_words(written: Any) -> None:
    assert "expected a size such as 512KB" in fault(fields.size, written).msg


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1:8099", ("127.0.0.1", 8099)),
        ("[::1]:80", ("::1", 80)),
        ("nas.local:0", ("nas.local", 0)),
    ],
)
def test_listen_is_host_and_port(written: str, meant: tuple[str, int]) -> None:
    assert fields.listen(written) == meant


@pytest.mark.parametrize("written", ["8099", ":8099", "::1:80", "host:99999", "host:", 80, None])
def test_what_is_no_host_and_port_is_refused(written: Any) -> None:
    assert "expected host:port" in fault(fields.listen, written).msg


def test_a_topic_template_knows_its_placeholders() -> None:
    whole = "a/" + "/".join(f"{{{word}}}" for word in fields.PLACEHOLDERS)
    assert fields.topic_template(whole) == whole
    assert fault(fields.topic_template, "a/{servcie}").hint == "did you mean 'service'?"


def test_placeholders_are_those_that_topics_are_made_with() -> None:
    assert set(fields.PLACEHOLDERS) == set(topics.PLACEHOLDERS)


@pytest.mark.parametrize("written", ["a/{device", "a}", "{}", "a/#", "+/a", "", "/", "$SYS/a", 5])
def test_what_cannot_be_published_to_is_refused(written: Any) -> None:
    assert fault(fields.topic_template, written).msg


@pytest.mark.parametrize(
    ("written", "hint"), [("yes", "write true"), ("off", "write false"), ("perhaps", ""), (1, "")]
)
def test_only_true_and_false_are_booleans(written: Any, hint: str) -> None:
    assert fault(fields.boolean, written).hint == hint


def test_one_of_suggests_the_nearest_word() -> None:
    found = fault(fields.level, "warning")
    assert found.msg.startswith("expected one of trace, debug, info, warn, error, fatal, not")
    assert found.hint == "did you mean 'warn'?"
    assert fields.one_of("auto", "5")(5) == "5"
    assert fault(fields.one_of("true"), True).code == "wrong_value"


def test_text_takes_whole_numbers_as_written() -> None:
    assert fields.text(1001) == "1001"
    assert fields.discreet_text(1001) == "1001"
    assert type(fields.text(Secret("x"))) is str
    assert isinstance(fields.discreet_text(Secret("x")), Secret)
    assert fault(fields.text, 1.5).hint == "put it in quotes"


def test_a_secret_is_never_shown_in_a_message() -> None:
    for validator in (fields.duration, fields.level, fields.listen, fields.boolean, fields.port):
        assert "hunter2" not in str(fault(validator, Secret("hunter2")).msg)


def test_a_secret_where_a_word_is_expected_counts_as_the_word() -> None:
    assert fields.level(Secret("warn")) == "warn"
    assert type(fields.topic_template(Secret("a/{app}"))) is str


@pytest.mark.parametrize("pattern", ["(", "(?=x)", r"(a)\1", "x{2000}", ""])
def test_patterns_that_re2_does_not_understand_are_refused(pattern: str) -> None:
    assert fault(fields.regex, pattern).msg


def test_an_unknown_key_brings_the_nearest_one_and_every_fault_is_told() -> None:
    validator = fields.mapping({vol.Required("url"): fields.text, vol.Optional("qos"): fields.port})
    with pytest.raises(vol.MultipleInvalid) as caught:
        validator({"qso": 1, "qos": "x"})
    told = {(*fault.path, fault.msg) for fault in caught.value.errors}
    assert told == {
        ("qso", "unknown key 'qso'"),
        ("the key 'url' is missing",),
        ("qos", "expected a whole number from 1 to 65535, not 'x'"),
    }
    (unknown,) = [found for found in caught.value.errors if found.path == ["qso"]]
    assert isinstance(unknown, Fault)
    assert unknown.hint == "did you mean 'qos'?"


def test_a_key_without_a_value_counts_as_not_written() -> None:
    validator = fields.mapping({vol.Optional("a", default=5): fields.port, "b": fields.text})
    assert validator({"a": None, "b": None}) == {"a": 5}


def test_sound_entries_survive_their_neighbours() -> None:
    result, faults = Named(fields.port).check({"a": 1, "b": "x", "bad name": 2, "c": 3})
    assert result == {"a": 1, "bad name": 2, "c": 3}
    assert [fault.path for fault in faults] == [["b"], ["bad name"]]


def test_every_item_of_a_list_is_looked_at() -> None:
    result, faults = Listing(fields.port).check([1, "x", 2, "y"])
    assert result == (1, 2)
    assert [fault.path for fault in faults] == [[1], [3]]


def test_faults_of_a_type_speak_of_that_type_only() -> None:
    validator = fields.by_type({"a": fields.mapping({"x": fields.port}), "b": fields.text})
    assert validator({"type": "a", "x": 1}) == {"x": 1}
    assert fault(validator, {"type": "aa"}).hint == "did you mean 'a'?"
    assert "one of: a, b" in fault(validator, {"x": 1}).msg
    assert fault(validator, {"type": "a", "y": 1}).path == ["y"]
