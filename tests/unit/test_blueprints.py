"""Blueprints and the dashboard's card, as far as can be told without Home Assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ADDON: Final = Path(__file__).parents[2] / "addon"
BLUEPRINTS: Final = sorted((ADDON / "blueprints").glob("*.yaml"))
KEYS: Final = {"blueprint", "mode", "max", "max_exceeded", "triggers", "variables", "conditions"}


class Input(str):
    """The name of an input where `!input` stands."""

    __slots__ = ()


class Loader(yaml.SafeLoader):
    """Knows Home Assistant's tag for inputs, and refuses a key that is there twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"repeated: {keys}"
        return super().construct_mapping(node, deep)


def _input(loader: Loader, node: yaml.ScalarNode) -> Input:
    return Input(loader.construct_scalar(node))


Loader.add_constructor("!input", _input)


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(file.read_text(), Loader)
    return found


def values(found: Any) -> Iterator[Any]:
    """Everything that stands in it."""
    if isinstance(found, dict | list):
        for each in found.values() if isinstance(found, dict) else found:
            yield from values(each)
    else:
        yield found


def test_there_are_blueprints() -> None:
    assert {file.stem for file in BLUEPRINTS} == {"notify_on_incident", "restart_when_unhealthy"}


@pytest.mark.parametrize("file", BLUEPRINTS, ids=lambda file: file.stem)
def test_every_input_is_declared_explained_and_used(file: Path) -> None:
    found = read(file)
    declared = found["blueprint"]["input"]
    used = {str(each) for each in values(found) if isinstance(each, Input)}
    assert used == declared.keys()
    for each in declared.values():
        assert each["name"]
        assert each["description"]
        assert each["selector"]


@pytest.mark.parametrize("file", BLUEPRINTS, ids=lambda file: file.stem)
def test_a_blueprint_is_an_automation_with_known_keys(file: Path) -> None:
    found = read(file)
    assert found.keys() <= KEYS | {"actions"}
    assert found["blueprint"]["domain"] == "automation"
    assert found["blueprint"]["homeassistant"]["min_version"] == "2026.2.0"
    assert {each["trigger"] for each in found["triggers"]} == {"state"}
    for step in found["actions"] if isinstance(found["actions"], list) else ():
        assert step.keys() & {"action", "delay"}


@pytest.mark.parametrize("file", [*BLUEPRINTS, ADDON / "dashboards" / "errors_card.yaml"])
def test_what_a_template_opens_it_closes(file: Path) -> None:
    for text in (each for each in values(read(file)) if isinstance(each, str)):
        for opened, closed in (("{{", "}}"), ("{%", "%}")):
            assert text.count(opened) == text.count(closed), text
        for word in ("if", "for"):
            begun = len(re.findall(rf"{{%-? {word} ", text))
            assert begun == len(re.findall(rf"{{%-? end{word} ", text)), text


def test_nothing_is_restarted_until_somebody_says_so() -> None:
    found = read(ADDON / "blueprints" / "restart_when_unhealthy.yaml")
    assert found["blueprint"]["input"]["armed"]["default"] is False
    assert found["variables"] == {"armed": "armed"}
    assert [each["value_template"] for each in found["conditions"]] == ["{{ armed }}"]


def test_incidents_of_the_blueprint_are_those_that_there_are() -> None:
    from towline.homeassistant.entities import INCIDENTS

    found = read(ADDON / "blueprints" / "notify_on_incident.yaml")["blueprint"]["input"]["kinds"]
    assert found["default"] == found["selector"]["select"]["options"] == list(INCIDENTS)
