"""The JSON Schema for editors says what the schema checks, as far as JSON Schema can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
from jsonschema import Draft202012Validator

from tests.unit.config.kinds import SOURCES as TEST_SOURCES
from towline.config import fields
from towline.config.descriptions import DESCRIPTIONS, EXAMPLES
from towline.config.export import as_text, json_schema
from towline.config.files import Files
from towline.config.include import Reading
from towline.config.places import Spot
from towline.config.schema import RESTART
from towline.config.settings import Secret, Store
from towline.config.text import read_text
from towline.config.tree import Tag, parse
from towline.errors import ConfigError
from towline.kinds import BACKENDS, SOURCES

ROOT = Path(__file__).parents[3]
FILES = Path(__file__).parent / "files"
EXAMPLE_FILES = sorted(
    file for file in (ROOT / "config" / "examples").glob("*.yaml") if file.name != "secrets.yaml"
)
COMMITTED = ROOT / "config" / "towline.schema.json"
SCHEMA = json_schema(SOURCES, BACKENDS)
VALIDATOR = Draft202012Validator(SCHEMA)

BEYOND = {
    "broker_not_defined.bad.yaml": "what a name refers to",
    "regex.bad.yaml": "patterns of RE2",
    "route_unknown_backend.bad.yaml": "what a name refers to",
    "route_without_backends.bad.yaml": "what a name refers to",
    "secret_missing.bad.yaml": "other files",
    "topic.bad.yaml": "placeholders in a text",
    "variable_missing.bad.yaml": "the environment",
}
"""Bad files that JSON Schema cannot tell from good ones, and why."""


def as_written(text: bytes | str) -> Any:
    """A file's data with tags as they are written; `ConfigError` where it is not even YAML."""

    def keep(tag: str) -> Tag:
        def words(written: str, _: Spot) -> str:
            return f"{tag} {written}"

        return words

    tags = ("!secret", "!env_var", "!include", "!include_dir_named", "!encrypted")
    tree = parse(read_text(text), {tag: keep(tag) for tag in tags})
    if tree.problems:
        raise ConfigError(tree.problems)
    return tree.data


def faults(data: Any, validator: Draft202012Validator = VALIDATOR) -> list[str]:
    return [
        f"{'.'.join(map(str, each.path))}: {each.message}" for each in validator.iter_errors(data)
    ]


def properties(shape: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property in a schema with the way to it."""
    if isinstance(shape, list):
        for each in shape:
            yield from properties(each, path)
    elif isinstance(shape, dict):
        for key, value in shape.items():
            if key == "properties":
                for name, inner in value.items():
                    yield f"{path}.{name}", inner
                    yield from properties(inner, f"{path}.{name}")
            elif key not in ("default", "examples", "if"):
                yield from properties(value, f"{path}.{key}" if path == ".$defs" else path)


def shapes(shape: Any) -> Iterator[dict[str, Any]]:
    """Every shape in a schema."""
    if isinstance(shape, dict):
        yield shape
    for each in shape.values() if isinstance(shape, dict) else shape:
        if isinstance(each, dict | list):
            yield from shapes(each)


def test_the_committed_file_is_the_generated_one() -> None:
    hint = "run: towline schema > config/towline.schema.json"
    assert COMMITTED.read_text() == as_text(SCHEMA), hint


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_is_described() -> None:
    bare = [path for path, shape in properties(SCHEMA) if "description" not in shape]
    assert [path for path in bare if not path.endswith(".type")] == []


def test_every_description_and_example_is_of_a_key() -> None:
    told = [shape.get("description") for shape in shapes(SCHEMA)]
    described = {text for text in told if isinstance(text, str)}  # it is a key of ours, too
    assert [key for key, text in DESCRIPTIONS.items() if text not in described] == []
    shown = [shape["examples"] for _, shape in properties(SCHEMA) if "examples" in shape]
    assert all(example in shown for example in EXAMPLES.values())


def test_defaults_and_examples_fit_their_own_shape() -> None:
    for path, shape in properties(SCHEMA):
        own = Draft202012Validator({**shape, "$defs": SCHEMA["$defs"]})
        wanted = [*shape.get("examples", []), *([shape["default"]] if "default" in shape else [])]
        for value in wanted:
            assert faults(value, own) == [], path


def test_what_counts_from_the_next_start_on_is_marked() -> None:
    marked = {path for path, shape in properties(SCHEMA) if shape.get("x-restart-required")}
    assert marked == {f".{key}" for key in RESTART}
    assert {"git", *(f"store.{name}" for name in Store.__dataclass_fields__)} == RESTART


def test_the_annotated_file_fits_with_all_that_is_switched_off_switched_on() -> None:
    text = (ROOT / "config" / "towline.yaml").read_text()
    assert faults(as_written(text)) == []
    assert faults(as_written(re.sub(r"(?m)^#(?! \S|$)", "", text))) == []


@pytest.mark.parametrize("file", EXAMPLE_FILES, ids=lambda file: file.name)
def test_every_example_fits_with_all_that_it_includes(file: Path) -> None:
    reading = Reading(Files(), file.parent, {}, lambda _: None)
    data = reading.tree(read_text(file.read_bytes(), str(file)), file.parent).data
    assert faults(revealed(data)) == []


def revealed(data: Any) -> Any:
    """Data with the values of secrets in it."""
    if isinstance(data, dict):
        return {key: revealed(value) for key, value in data.items()}
    if isinstance(data, list):
        return [revealed(value) for value in data]
    return data.reveal() if isinstance(data, Secret) else data


@pytest.mark.parametrize("file", sorted(FILES.glob("*.good.yaml")), ids=lambda file: file.name)
def test_every_good_file_fits(file: Path) -> None:
    schema = Draft202012Validator(json_schema(SOURCES, BACKENDS))
    assert faults(as_written(file.read_bytes()), schema) == []


@pytest.mark.parametrize("file", sorted(FILES.glob("*.bad.yaml")), ids=lambda file: file.name)
def test_a_bad_file_does_not_fit_unless_it_is_listed(file: Path) -> None:
    try:
        data = as_written(file.read_bytes())
    except ConfigError:
        return
    assert bool(faults(data)) is (file.name not in BEYOND)


@pytest.mark.parametrize(
    "line",
    [
        "store: {memory: !env_var MEMORY 1000, persist: !env_var PERSIST true}",
        "store: !include store.yaml",
        "brokers: !include_dir_named brokers",
        "routes: [!include route.yaml]",
        "api: {tokens: [{name: x, hash: !secret grafana}]}",
        "brokers: {x: {servers: [!secret nas], password: !encrypted gAAAA}}",
        # as editors see them: without the tag
        "store: {memory: MEMORY 1000}",
        "store: parts/store.yaml",
        "api: {tokens: [{name: x, hash: grafana}]}",
        "brokers: {x: {servers: [nas]}}",
        # without a value: not written
        "store:\nroutes:\napi:\n  tokens:\n  listen:",
    ],
)
def test_tags_and_keys_without_a_value_are_tolerated(line: str) -> None:
    assert faults(as_written(f"version: 1\n{line}\n")) == []


@pytest.mark.parametrize(
    "line",
    [
        "store: hello",
        "store: {memory: many}",
        "store: {persist: yes}",
        "store: {flush: 5}",
        "store: {compression: zip}",
        "brokers: {x: {}}",
        "backends: {x: {type: mqtt}}",
        "backends: {x: {type: nonsense}}",
        "backends: {x: {type: mqtt, broker: y, topik: z}}",
        "routes: [{match: {not: {not: {servcie: x}}}, to: x}]",
        "sources: {'a b': {type: docker}}",
    ],
)
def test_what_is_wrong_does_not_fit(line: str) -> None:
    assert faults(as_written(f"version: 1\n{line}\n"))


def test_a_validator_without_a_shape_is_told_by_its_path() -> None:
    schema = fields.mapping({vol.Required("port"): lambda value: value})
    strange = {"demo": replace(TEST_SOURCES["ingest"], schema=schema)}
    with pytest.raises(LookupError, match=r"sources\.<demo>\.port"):
        json_schema(strange, BACKENDS)
