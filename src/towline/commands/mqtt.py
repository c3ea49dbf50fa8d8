"""`towline mqtt`: brokers, before anything relies on them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from towline.errors import ConfigError

DEFAULT_FILE: Final = Path("config/towline.yaml")


@click.group()
def mqtt() -> None:
    """Brokers of a configuration."""


@mqtt.command()
@click.argument("broker", required=False)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TOWLINE_CONFIG",
    help=f"The configuration (default: {DEFAULT_FILE} if it is there).",
)
@click.option("--json", "as_json", is_flag=True, help="As the API tells it.")
@click.pass_obj
def test(
    environment: Mapping[str, str], broker: str | None, config: Path | None, as_json: bool
) -> None:
    """Connect to brokers and say of each step how it went: every broker, or BROKER.

    No running Towline is asked, and none is disturbed. Exit code 0: all is well, 1: something is
    not, or the file is not valid.
    """
    import asyncio

    file = config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    try:
        found = asyncio.run(_tested(file, environment, broker))
    except ConfigError as exc:
        from towline.config.problems import as_text

        click.echo(as_text(exc.problems), err=True)
        sys.exit(1)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _told(found))
    sys.exit(0 if all(each["status"] == "ok" for each in found.values()) else 1)


async def _tested(
    file: Path | None, environment: Mapping[str, str], broker: str | None
) -> dict[str, dict[str, Any]]:
    from towline.broker.probe import probe
    from towline.config.environment import Overrides
    from towline.kinds import BACKENDS, SOURCES
    from towline.runtime.configuration import Configuration, Options

    options = Options(file=file, environment=environment, overrides=Overrides())
    configuration = Configuration(options, SOURCES, BACKENDS)
    _, settings = configuration.load()
    if broker is not None and broker not in settings.brokers:
        _fail(f"there is no broker {broker!r}; known: {', '.join(settings.brokers) or 'none'}")
    if not settings.brokers:
        _fail("no broker is defined")
    return {
        name: await probe(each, settings.device.id, configuration.folder)
        for name, each in settings.brokers.items()
        if broker in (None, name)
    }


def _told(found: dict[str, dict[str, Any]]) -> str:
    from towline.broker.report import words

    parts = []
    for name, report in found.items():
        end = f"{name}: {report['error']}" if report["error"] else f"{name}: well"
        parts += [f"{name}:", *(f"  {row}" for row in words(report)), end]
    return "\n".join(parts)


def _fail(text: str) -> NoReturn:
    click.echo(f"towline: {text}", err=True)
    sys.exit(1)
