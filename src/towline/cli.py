"""The command `towline`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from towline import __version__
from towline.errors import ConfigError, StartError, StoreError

FORMATS = ("text", "json", "ci")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="towline")
def main() -> None:
    """Container logs and container health, as code."""


@main.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TOWLINE_CONFIG",
    help="The configuration (default: config/towline.yaml if it is there).",
)
@click.option("--data", envvar="TOWLINE_DATA", help="The data folder (above store.path).")
@click.option("--listen", envvar="TOWLINE_LISTEN", metavar="HOST:PORT", help="Above api.listen.")
@click.option(
    "--log-level",
    envvar="TOWLINE_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
)
@click.option(
    "--log-format",
    envvar="TOWLINE_LOG_FORMAT",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
def run(
    config: Path | None, data: str | None, listen: str | None, log_level: str, log_format: str
) -> None:
    """Collect, keep and deliver until stopped."""
    from towline.app import DEFAULT_FILE, Options
    from towline.config.environment import Overrides
    from towline.own_log import begin_logging

    begin_logging(log_level, log_format)
    options = Options(
        file=config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None),
        environment=dict(os.environ),
        overrides=Overrides(data=data, listen=listen),
    )
    try:
        asyncio.run(_serve(options))
    except ConfigError as exc:
        _fail(exc)
    except (StoreError, StartError) as exc:
        click.echo(f"towline: {exc}", err=True)
        sys.exit(1)


async def _serve(options: object) -> None:
    from towline.app import Options, Towline

    assert isinstance(options, Options)
    towline = Towline(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, towline.stop)
    await towline.run()


def _fail(exc: ConfigError) -> None:
    from towline.config.problems import as_text

    click.echo(as_text(exc.problems), err=True)
    sys.exit(1)
