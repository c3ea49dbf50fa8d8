"""What is written about the configuration is what the schema says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.walk import REQUIRED, walk
from towline.config.compound import Mapping
from towline.config.descriptions import DESCRIPTIONS, OVER_HTTP
from towline.config.files import Files
from towline.config.http import HTTP
from towline.config.load import load
from towline.config.match import MATCH_KEYS
from towline.config.schema import schema
from towline.config.settings import Settings
from towline.config.text import read_text
from towline.config.tree import parse
from towline.errors import Problem
from towline.kinds import BACKENDS, SOURCES

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config" / "towline.yaml"
EXAMPLES = sorted(
    file for file in (ROOT / "config" / "examples").glob("*.yaml") if file.name != "secrets.yaml"
)
SECRETS = (
    b"mqtt_password: x\ngit_token: y\nbalena_key: z\ngrafana_token_hash: " + b"0a" * 32 + b"\n"
)
SHARED = {key for key, _ in walk(Mapping(HTTP))}
"""Keys that all backends over HTTP have."""


def known() -> dict[str, Any]:
    """Every key below a section, and its default."""
    keys = walk(schema(SOURCES, BACKENDS))
    return {key: default for key, default in keys if "." in key}


def settings(text: str | None) -> Settings:
    return load(text, SOURCES, BACKENDS, file=SHIPPED, read=lambda _: SECRETS, host_name="pi")


def everything_on() -> str:
    """The shipped file with all that is switched off switched on; a sentence is `# Text`."""
    return re.sub(r"(?m)^#(?! \S|$)", "", SHIPPED.read_text())


def meaning(written: str) -> Any:
    """A value as YAML reads it."""
    return parse(read_text(f"x: {written}"), {}).data["x"]


def rows(document: str) -> Iterator[tuple[str, str, str]]:
    """Keys with their defaults and meanings as the tables of the page have them.

    A table below the names of several types stands for each of them.
    """
    prefixes: list[str] = []
    for line in document.splitlines():
        if line.startswith("#"):
            found = re.fullmatch(r"## `([^`]+)`(?:, types? ((?:`\w+`(?:, )?)+))?", line)
            kinds = re.findall(r"`(\w+)`", found[2] or "") if found else []
            prefixes = [found[1]] if found else []
            if both := re.fullmatch(r"## `([^`]+)` and `([^`]+)`", line):
                prefixes = list(both.groups())
            if found and kinds:
                prefixes = [found[1].replace("<name>", f"<{kind}>") for kind in kinds]
        elif prefixes and (row := re.match(r"\| `([\w.]+)` \| (.+?) \| (.+) \|$", line)):
            for prefix in prefixes:
                yield f"{prefix}.{row[1]}", row[2], row[3].replace("\\|", "|")


def match_section() -> str:
    return document().partition("## The match language")[2].partition("## The env")[0]


def document() -> str:
    return (ROOT / "docs" / "configuration.md").read_text()


def test_the_page_has_every_key_and_no_other() -> None:
    told = {key for key, _, _ in rows(document())}
    assert told == set(known())


def test_the_page_has_the_defaults_of_the_schema() -> None:
    told = {key: default for key, default, _ in rows(document())}
    for key, default in known().items():
        if default is None or key == "device.id":
            assert "`" not in told[key]
        elif default == REQUIRED:
            assert told[key] == REQUIRED, key
        else:
            assert meaning(told[key].strip("`")) == default, key


def test_the_page_says_of_each_key_what_editors_show() -> None:
    for key, _, meaning_ in rows(document()):
        assert meaning_ == DESCRIPTIONS[key], key
    for words, meaning_ in re.findall(r"(?m)^\| (`.*?`) \| (.+) \|$", match_section()):
        for word in words.split():
            assert meaning_ == DESCRIPTIONS[f"match.{word.strip('`')}"], word


def test_the_page_has_the_whole_match_language() -> None:
    told = {
        word for row in re.findall(r"(?m)^\| (`.*?) \|", match_section()) for word in row.split()
    }
    assert {word.strip("`") for word in told} == set(MATCH_KEYS)


def test_the_shipped_file_says_what_holds_without_it() -> None:
    assert settings(SHIPPED.read_text()) == settings(None)


def written(data: Any, key: str) -> Any:
    """What stands at a key of the schema in the shipped file's example.

    What all backends over HTTP have in common stands at the first of them.
    """
    kind = re.match(r"backends\.<(\w+)>\.", key)
    if kind and kind[1] in OVER_HTTP and str(key[kind.end() :]) in SHARED:
        key = key.replace(f"<{kind[1]}>", f"<{OVER_HTTP[0]}>")
    for step in key.split("."):
        name = step.removesuffix("[]").strip("<>")
        data = merged(data.values()) if step == "<name>" else data[name]
        data = merged(data) if step.endswith("[]") else data
    return data


def merged(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What several show of the keys that each of them may have; the first one counts."""
    return {key: value for item in reversed(list(items)) for key, value in item.items()}


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    text = everything_on()
    assert settings(text).brokers["home"].password.reveal() == "x"
    data = parse(read_text(text), {"!secret": lambda words, _: words}).data
    examples = {"brokers.<name>.username", "brokers.<name>.password", "routes[].match"}
    examples |= {"store.retention.rules", "store.retention.rules[].match"}
    examples |= {f"{room}.<name>.actions" for room in ("alerts", "subscriptions")}
    examples |= {"subscriptions.<name>.description", "subscriptions.<name>.when"}
    examples |= {"pipeline.limits", "pipeline.limits[].match"}
    for key, default in known().items():
        found = written(data, key)
        if default not in (REQUIRED, None) and key not in examples | {"api.tokens"}:
            assert found == default, key


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_loads_as_it_lies_there_without_a_warning(file: Path) -> None:
    files, warnings = Files(), list[Problem]()
    found = load(files.read(file), SOURCES, BACKENDS, file=file, read=files, warn=warnings.append)
    assert found.device.id
    assert {warning.code for warning in warnings} <= {"open_secrets"}


def test_the_example_of_secrets_has_what_the_examples_want_and_no_more() -> None:
    wanted = {
        name
        for file in (ROOT / "config" / "examples").rglob("*.yaml")
        for name in re.findall(r"!secret (\w+)", file.read_text())
        if "fleet" not in file.parts
    }
    secrets = ROOT / "config" / "examples" / "secrets.yaml"
    assert set(parse(read_text(secrets.read_text()), {}).data) == wanted
