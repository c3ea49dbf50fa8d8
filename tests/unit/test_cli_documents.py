from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from towline.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_and_every_option_is_documented(name: str) -> None:
    assert f"`towline {name}" in PAGE
    for option in main.commands[name].params:
        if isinstance(option, click.Option):
            assert f"`{option.opts[0]}" in PAGE, option.opts
            variable = option.envvar
            assert variable is None or f"`{variable}`" in PAGE


def test_no_option_is_documented_that_is_none() -> None:
    options = {
        spelling
        for command in main.commands.values()
        for option in command.params
        for spelling in option.opts
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= options | {"--help"}
