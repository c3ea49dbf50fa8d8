from __future__ import annotations

import json

from towline.config.problems import as_annotations, as_json, as_text, path_text
from towline.errors import Problem

PLACED = Problem(
    code="unknown_key",
    text="unknown key 'a%b'",
    file="conf,ig/t.yaml",
    line=3,
    column=3,
    path=("routes", 0, "to"),
    source="\t a%b: 1",
    hint="did you mean 'x'?",
)
SAID = Problem(code="x", text="MQTT_BATCH: bad", source="MQTT_BATCH=\x1b[1m\u202e")


def test_text_shows_the_line_with_a_caret_beneath_the_place() -> None:
    assert as_text([PLACED]) == (
        "conf,ig/t.yaml:3:3: unknown key 'a%b' (at routes[0].to)\n"
        "      a%b: 1\n"
        "      ^\n"
        "    did you mean 'x'?"
    )


def test_text_of_a_variable_has_no_place_and_turns_no_terminal() -> None:
    assert as_text([SAID]) == "MQTT_BATCH: bad\n    MQTT_BATCH=\ufffd[1m\ufffd"


def test_json_holds_everything_a_program_needs() -> None:
    (found,) = json.loads(json.dumps(as_json([PLACED])))
    assert found["path"] == "routes[0].to"
    assert (found["line"], found["column"], found["code"]) == (3, 3, "unknown_key")
    assert found["hint"] == "did you mean 'x'?"


def test_annotations_are_workflow_commands() -> None:
    assert as_annotations([PLACED, SAID]).splitlines() == [
        "::error file=conf%2Cig/t.yaml,line=3,col=3::unknown key 'a%25b' (did you mean 'x'?)",
        "::error ::MQTT_BATCH: bad",
    ]


def test_paths_are_written_as_people_write_them() -> None:
    assert path_text(()) == ""
    assert path_text(("backends", "mqtt", "batch", "max_age")) == "backends.mqtt.batch.max_age"
