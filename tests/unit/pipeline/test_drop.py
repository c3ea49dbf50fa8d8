from dataclasses import replace

from towline.config.settings import Match
from towline.pipeline.drop import Drop
from towline.record import Line, Origin, OriginType

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi", service="web")
DB = replace(WEB, name="db", service="db")


def line(text: str, **more: object) -> Line:
    return Line(text, "t", 1, level="info", **more)  # type: ignore[arg-type]


def test_lines_that_a_match_holds_for_are_taken_out_and_counted() -> None:
    drop = Drop([Match(service=("web",), regex="GET /health"), Match(level=("debug",))])
    lines = [line("GET /health 200"), line("GET / 200"), line("x")]
    lines[2].level = "debug"
    assert [each.text for each in drop(WEB, lines)] == ["GET / 200"]
    assert [each.text for each in drop(DB, [line("GET /health")])] == ["GET /health"]
    assert drop.dropped == 2


def test_a_match_may_ask_for_fields_and_streams() -> None:
    drop = Drop([Match(fields=(("path", "/health"),), stream=("stdout",))])
    lines = [
        line("a", fields='{"path":"/health"}'),
        line("b", fields='{"path":"/"}'),
        line("c", fields='{"path":"/health"}', stderr=True),
        line("d"),
    ]
    assert [each.text for each in drop(WEB, lines)] == ["b", "c", "d"]


def test_an_origin_may_be_dropped_as_a_whole_or_not_at_all() -> None:
    drop = Drop([Match(service=("web",))])
    lines = [line("a")]
    assert drop(WEB, lines) == []
    assert drop(DB, lines) is lines
