"""Options that several commands have."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

LEVELS = click.Choice(["trace", "debug", "info", "warn", "error", "fatal"], case_sensitive=False)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


remote_options = _options(
    click.option(
        "--url",
        envvar="TOWLINE_URL",
        default="http://127.0.0.1:8099",
        show_default=True,
        help="Which Towline to ask.",
    ),
    click.option("--token", envvar="TOWLINE_TOKEN", default="", help="Where it wants one."),
)
"""Which Towline to ask."""

filters = _options(
    click.argument("names", nargs=-1, metavar="[CONTAINER|SERVICE]..."),
    click.option("--since", default="", metavar="TIME", help="From then on: 1h, 7d, 2026-01-31."),
    click.option("--level", type=LEVELS, multiple=True, help="This level alone; may be repeated."),
    click.option("--min-level", type=LEVELS, default=None, help="This level and worse."),
    click.option("--grep", default="", metavar="REGEX", help="Lines in which this pattern occurs."),
    click.option("--text", default="", help="Lines in which this text occurs."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as stored."),
)


def count(context: Any, option: Any, value: str | None) -> int | None:
    """A number of records; -1 for `all`."""
    if value is None:
        return None
    if value == "all":
        return -1
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise click.BadParameter("expected a number, or all")
    return int(value)
