from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.broker.packets import topic_bytes
from towline.broker.topics import BATCH_SUFFIX, LONGEST, PLACEHOLDERS, Template, status_topic
from towline.config import fields
from towline.record import LEVELS, Origin, OriginType

DEFAULT = "towline/{device}/logs/{app}/{service}/{level}"


def origin(kind: OriginType = OriginType.CONTAINER, **members: str | None) -> Origin:
    given_ = {"name": "api", "device": "pi", "app": "1001", "service": "web", **members}
    return Origin(type=kind, **given_)  # type: ignore[arg-type]


def test_a_container_has_its_app_service_and_level_in_the_topic() -> None:
    stdout, stderr = Template(DEFAULT).of(origin())
    assert stdout == {level: f"towline/pi/logs/1001/web/{level}" for level in LEVELS}
    assert stderr == stdout


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (OriginType.SYSTEM, "system"),
        (OriginType.MANAGER, "manager"),
        (OriginType.HOST, "other"),
        (OriginType.DEVICE, "other"),
    ],
)
def test_without_a_container_one_word_stands_for_app_and_service(
    kind: OriginType, word: str
) -> None:
    topics = Template(DEFAULT).of(origin(kind, app=None, service=None))
    assert topics[0]["info"] == f"towline/pi/logs/{word}/info"
    assert Template("x/{container}").of(origin(kind))[0]["info"] == f"x/{word}"
    assert Template("device/{device}/logs").of(origin(kind))[0]["info"] == "device/pi/logs"


def test_a_container_without_an_app_goes_by_its_project_then_unknown() -> None:
    template = Template("{app}/{service}")
    assert template.of(origin(app=None, project="shop"))[0]["info"] == "shop/web"
    assert template.of(origin(app=None))[0]["info"] == "unknown/web"


def test_a_container_without_a_service_goes_by_its_name() -> None:
    template = Template("{service}/{container}")
    assert template.of(origin(service=None, container="shop-api-1"))[0]["info"] == (
        "shop-api-1/shop-api-1"
    )


def test_stdout_and_stderr_differ_where_the_template_says_stream() -> None:
    stdout, stderr = Template("{service}/{stream}/{level}").of(origin())
    assert (stdout["warn"], stderr["warn"]) == ("web/stdout/warn", "web/stderr/warn")


def test_a_name_that_looks_like_a_placeholder_stays_a_name() -> None:
    topics = Template("{service}/{level}").of(origin(service="{level}"))
    assert topics[0]["info"] == "{level}/info"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a+b#c/d\0e", "a_b_c_d_e"),
        ("", "unknown"),
        ("tab\tbell\x07del\x7fnel\x85", "tab_bell_del_nel_"),
        ("\ud800", "_"),
        ("\ufffe\U0001ffff\ufdd0", "___"),
        ("größe 日本", "größe 日本"),
    ],
)
def test_hostile_names_become_harmless_segments(name: str, expected: str) -> None:
    assert Template("x/{app}").of(origin(app=name))[0]["info"] == f"x/{expected}"


def test_a_topic_never_begins_with_a_dollar() -> None:
    assert Template("{service}/x").of(origin(service="$SYS"))[0]["info"] == "_SYS/x"


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        Template("x/{colour}")


def test_the_configuration_knows_the_same_placeholders() -> None:
    assert set(PLACEHOLDERS) == set(fields.PLACEHOLDERS)


def test_the_status_topic_stands_beside_the_logs() -> None:
    assert status_topic("living/room") == "towline/living_room/status"


@given(
    st.text(),
    st.one_of(st.none(), st.text()),
    st.sampled_from(OriginType),
    st.sampled_from([DEFAULT, "{service}", "{project}/{app}/{stream}", "a/{host}/{source}/x"]),
)
def test_every_name_makes_a_topic_that_brokers_take(
    name: str, app: str | None, kind: OriginType, template: str
) -> None:
    topics = Template(template).of(origin(kind, name=name, device=name, app=app, service=name))
    for topic in (*topics[0].values(), *topics[1].values()):
        assert topic_bytes(topic)
        assert topic.count("/") <= template.count("/")


@given(st.text(min_size=1, max_size=9, alphabet="aé日😀"), st.integers(1000, 9000))
def test_no_topic_is_longer_than_mqtt_allows_not_even_with_the_suffix(part: str, n: int) -> None:
    name = part * n
    topic = Template("x/{service}/{app}").of(origin(service=name, app=name))[0]["info"]
    assert len((topic + BATCH_SUFFIX).encode()) <= LONGEST
