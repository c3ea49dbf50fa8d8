"""Containers are controlled only as far as the configuration in force allows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from towline.config.homeassistant import HOMEASSISTANT
from towline.errors import NotFound, Rejected
from towline.runtime.operations import Operations, Program

ROW = {"id": "a" * 64, "name": "web", "origin": "web", "state": "running", "source": "docker"}


class OneContainer:
    """A program with one container, `web`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.store = SimpleNamespace(labels=SimpleNamespace(of=lambda _: {}))

    def containers(self) -> list[dict[str, Any]]:
        return [dict(ROW)]

    async def control(self, container_id: str, what: str, actor: str) -> None:
        self.asked.append((container_id, what, actor))


def operations(program: OneContainer, **homeassistant: Any) -> Operations:
    found = SimpleNamespace(homeassistant=HOMEASSISTANT(homeassistant))
    return Operations(cast(Program, program), lambda: cast(Any, found))


@pytest.mark.parametrize("name", ["web", "a" * 12, "a" * 64])
async def test_a_container_is_found_by_name_and_id(name: str) -> None:
    program = OneContainer()
    await operations(program, controls=True).control_one(name, "stop", "Ada")
    assert program.asked == [("a" * 64, "stop", "Ada")]


@pytest.mark.parametrize("name", ["a" * 11, "we", "b" * 64])
async def test_what_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        await operations(OneContainer(), controls=True).control_one(name, "stop", "Ada")


@pytest.mark.parametrize(
    "own", [{}, {"controls": True, "allow": [{"name": "db"}]}, {"allow": [{"name": "web"}]}]
)
async def test_nothing_happens_without_leave(own: dict[str, Any]) -> None:
    program = OneContainer()
    asked = operations(program, **own)
    assert not asked.controllable()(dict(ROW))
    with pytest.raises(Rejected):
        await asked.control_one("web", "stop", "Ada")
    assert program.asked == []
