from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.settings import Match
from towline.errors import QueryError
from towline.pipeline.encode import encode, template_of
from towline.pipeline.match import compile_match, compile_regex
from towline.record import LEVELS, RANK, Line, Origin, OriginType, Record

API = Origin(
    type=OriginType.CONTAINER,
    name="api",
    device="pi",
    app="1001",
    project="shop",
    service_id=2,
    service="api-v2",
    container_id="def4567890ab",
    container="shop-api-1",
    image="shop/api:3",
    source="docker",
    labels=(("empty", ""), ("tier", "back"), ("towline.enable", "true")),
)
BARE = Origin(type=OriginType.HOST, name="ssh", device="pi")


def record(
    message: str = "payment failed",
    *,
    origin: Origin = API,
    level: str = "warn",
    stderr: bool = False,
    fields: str = "",
) -> Record:
    given = Line(message, "", 0, level=level, stderr=stderr, fields=fields)
    return encode(template_of(origin), [given], 1)[0]


def fits(match: Match, found: Record) -> bool:
    verdict = compile_match(match).of(found.origin)
    return verdict if isinstance(verdict, bool) else verdict(found)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(), True),
        (Match(name=("api",)), True),
        (Match(name=("ap",)), False),
        (Match(name=("web", "a*")), True),
        (Match(name=("?pi",)), True),
        (Match(name=("[!b]pi",)), True),
        (Match(name=("API",)), False),
        (Match(service=("api-*",)), True),
        (Match(service=("api",)), False),
        (Match(project=("shop",)), True),
        (Match(project=("",)), False),
        (Match(app=("100?",)), True),
        (Match(app=("2*",)), False),
        (Match(container=("shop-api-*",)), True),
        (Match(container=("def456*",)), True),
        (Match(container=("def4567890ab",)), True),
        (Match(container=("api",)), False),
        (Match(image=("shop/*",)), True),
        (Match(image=("shop/*:2",)), False),
        (Match(device=("pi",)), True),
        (Match(device=("nas",)), False),
        (Match(source=("docker",)), True),
        (Match(source=("journald",)), False),
        (Match(label=("tier",)), True),
        (Match(label=("tier=back",)), True),
        (Match(label=("tier=b*",)), True),
        (Match(label=("tier=front",)), False),
        (Match(label=("empty=",)), True),
        (Match(label=("tier=",)), False),
        (Match(label=("none", "towline.enable=true")), True),
        (Match(label=("none",)), False),
        (Match(stream=("stdout",)), True),
        (Match(stream=("stderr",)), False),
        (Match(stream=("stdout", "stderr")), True),
        (Match(level=("warn",)), True),
        (Match(level=("info", "error")), False),
        (Match(min_level="info"), True),
        (Match(min_level="warn"), True),
        (Match(min_level="error"), False),
        (Match(regex="(?i)PAYMENT"), True),
        (Match(regex="^failed"), False),
        (Match(fields=(("user", "bob"),)), True),
        (Match(fields=(("user", "b*"), ("n", "3"))), True),
        (Match(fields=(("user", "b*"), ("n", "4"))), False),
        (Match(fields=(("deep", '{"a":\\[1]}'),)), False),
        (Match(fields=(("flag", "true"),)), True),
        (Match(fields=(("none", "*"),)), False),
        (Match(name=("api",), level=("error",)), False),
        (Match(name=("web",), level=("warn",)), False),
        (Match(negated=Match(name=("web",))), True),
        (Match(negated=Match(name=("api",))), False),
        (Match(negated=Match(regex="failed")), False),
        (Match(negated=Match(name=("api",), regex="success")), True),
        (Match(alternatives=(Match(name=("web",)), Match(level=("warn",)))), True),
        (Match(alternatives=(Match(name=("web",)), Match(level=("info",)))), False),
        (Match(alternatives=(Match(name=("api",)), Match(level=("info",)))), True),
        (Match(name=("a*",), alternatives=(Match(name=("web",)),)), False),
        (Match(negated=Match(negated=Match(regex="failed"))), True),
    ],
)
def test_every_key_decides_as_it_says(match: Match, expected: bool) -> None:
    fields = '{"user":"bob","n":3,"flag":true,"deep":{"a":[1]}}'
    assert fits(match, record(fields=fields)) is expected


@pytest.mark.parametrize(
    "key", ["name", "service", "project", "app", "container", "image", "device", "source"]
)
def test_a_star_fits_any_origin_even_one_without_the_key(key: str) -> None:
    anything: dict[str, Any] = {key: ("*",)}
    assert fits(Match(**anything), record(origin=BARE))
    assert fits(Match(**anything), record(origin=API))


def test_an_origin_without_a_key_fits_no_name() -> None:
    assert not fits(Match(service=("?*",)), record(origin=BARE))
    assert not fits(Match(container=("?*",)), record(origin=BARE))
    assert not fits(Match(label=("tier",)), record(origin=BARE))


@pytest.mark.parametrize(
    ("match", "verdict"),
    [
        (Match(), True),
        (Match(name=("api",), project=("shop",)), True),
        (Match(name=("web",), regex="x"), False),
        (Match(negated=Match(name=("web",), regex="x")), True),
        (Match(negated=Match(name=("api",)), level=("info",)), False),
        (Match(alternatives=(Match(regex="x"), Match(name=("api",)))), True),
        (Match(alternatives=(Match(name=("web",), regex="x"), Match(app=("2",)))), False),
    ],
)
def test_what_the_origin_decides_is_decided_without_a_record(match: Match, verdict: bool) -> None:
    assert compile_match(match).of(API) is verdict


@pytest.mark.parametrize("match", [Match(level=("info",)), Match(name=("api",), regex="x")])
def test_what_the_line_decides_is_left_to_the_line(match: Match) -> None:
    assert callable(compile_match(match).of(API))


@given(st.sampled_from(LEVELS), st.sampled_from(LEVELS))
def test_min_level_is_at_least_as_severe(least: str, level: str) -> None:
    assert fits(Match(min_level=least), record(level=level)) == (RANK[level] >= RANK[least])


names = st.sampled_from(["api", "a*", "web", "*"])
matches = st.recursive(
    st.builds(
        Match,
        name=st.lists(names, max_size=2).map(tuple),
        level=st.lists(st.sampled_from(LEVELS), max_size=2).map(tuple),
        stream=st.lists(st.sampled_from(["stdout", "stderr"]), max_size=1).map(tuple),
    ),
    lambda inner: st.builds(
        Match,
        name=st.lists(names, max_size=1).map(tuple),
        negated=st.none() | inner,
        alternatives=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=6,
)


def model(match: Match, found: Record) -> bool:
    names = {"api": ("api", "a*", "*"), "ssh": ("*",)}[found.origin.name]
    return (
        (not match.name or any(name in names for name in match.name))
        and (not match.level or found.level in match.level)
        and (not match.stream or ("stderr" if found.stderr else "stdout") in match.stream)
        and not (match.negated and model(match.negated, found))
        and (not match.alternatives or any(model(item, found) for item in match.alternatives))
    )


@given(matches, st.sampled_from([API, BARE]), st.sampled_from(LEVELS), st.booleans())
def test_combinations_mean_what_they_say(
    match: Match, origin: Origin, level: str, stderr: bool
) -> None:
    found = record(origin=origin, level=level, stderr=stderr)
    assert fits(match, found) == model(match, found)


@pytest.mark.parametrize("pattern", ["(?=x)", "(?<!a)b", r"(a)\1", "(", "[z-a]", "a{2000}"])
def test_a_pattern_that_re2_refuses_is_said_clearly(pattern: str) -> None:
    with pytest.raises(QueryError, match=r"not a pattern RE2 understands: .+") as caught:
        compile_regex(pattern)
    assert caught.value.code == "bad_regex"
    with pytest.raises(QueryError):
        compile_match(Match(alternatives=(Match(negated=Match(regex=pattern)),)))


def test_a_pattern_that_would_freeze_others_ends() -> None:
    assert compile_regex("(a+)+$")("a" * 50_000 + "b") is None


def test_fields_too_deep_to_read_fit_nothing() -> None:
    deep = '{"a":' + "[" * 900 + "]" * 900 + "}"
    assert not fits(Match(fields=(("b", "*"),)), record(fields=deep))
    deeper = '{"a":' + "[" * 5000 + "]" * 5000 + "}"
    assert not fits(Match(fields=(("a", "*"),)), record(fields=deeper))


def test_an_invalid_surrogate_in_a_line_fits_no_pattern_and_raises_nothing() -> None:
    assert not fits(Match(regex="x"), record("a\ud800b"))
