"""The command `towline`. What a command needs is imported when it runs: most are wanted fast."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import click

from towline import __version__
from towline.commands.audit import audit
from towline.commands.backends import backends, pause, replay, resume
from towline.commands.doctor import doctor
from towline.commands.mqtt import mqtt
from towline.commands.options import count, filters, remote_options
from towline.commands.schema import schema
from towline.commands.secret import secret
from towline.commands.trying import plan, preview, test
from towline.errors import ClientError, ConfigError, Declined, NoAnswer, StartError, StoreError

if TYPE_CHECKING:
    from towline.client.remote import Remote
    from towline.commands.search import Wanted

DEFAULT_FILE: Final = Path("config/towline.yaml")
FAULT, NOBODY = 1, 2
"""Exit codes. Click, too, ends with the second when the command line is wrong."""

_OPTIONS: Final = {"regex": "--grep", "minLevel": "--min-level", "since": "--since"} | {
    name: f"--{name}" for name in ("until", "level", "text")
}
_STATES: Final = {"up": "green", "degraded": "yellow"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="towline")
@click.pass_context
def main(context: click.Context) -> None:
    """Container logs and container health, as code."""
    context.obj = os.environ
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


@main.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TOWLINE_CONFIG",
    help=f"The configuration (default: {DEFAULT_FILE} if it is there).",
)
@click.option("--data", envvar="TOWLINE_DATA", help="The data folder (above store.path).")
@click.option("--listen", envvar="TOWLINE_LISTEN", metavar="HOST:PORT", help="Above api.listen.")
@click.option(
    "--log-level",
    envvar="TOWLINE_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    help="How much Towline says of itself.",
)
@click.option(
    "--log-format",
    envvar="TOWLINE_LOG_FORMAT",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it says it.",
)
def run(
    config: Path | None, data: str | None, listen: str | None, log_level: str, log_format: str
) -> None:
    """Collect, keep and deliver until stopped."""
    import asyncio

    from towline.config.environment import Overrides
    from towline.own_log import begin_logging
    from towline.process import prepare
    from towline.runtime.configuration import Options

    prepare()
    host = None
    if os.environ.get("SUPERVISOR_TOKEN"):
        from towline.homeassistant.hosting import hosting

        host = hosting(os.environ)
    begin_logging(host.options.log_level if host else log_level, log_format)
    if host:
        options = Options(
            file=host.file(config),
            environment=host.environment(os.environ),
            overrides=host.overrides(data, listen),
        )
    else:
        options = Options(
            file=config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None),
            environment=dict(os.environ),
            overrides=Overrides(data=data, listen=listen),
        )
    try:
        asyncio.run(_serve(options, host))
    except ConfigError as exc:
        from towline.config.problems import as_text

        click.echo(as_text(exc.problems), err=True)
        sys.exit(FAULT)
    except (StoreError, StartError) as exc:
        _fail(str(exc))


async def _serve(options: Any, host: Any) -> None:
    import asyncio

    from towline.app import Towline

    towline = Towline(options, host)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, towline.stop)
    await towline.run()


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "ci"]),
    default="text",
    show_default=True,
    help="For people, for programs, or as notes beside the lines of a code review.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The configuration folder: files in it are included.  [default: each file's own]",
)
def check(files: tuple[Path, ...], form: str, folder: Path | None) -> None:
    """Say whether configuration files are valid.

    Without FILE it is the one that `towline run` would take. Nothing is started, opened or
    changed. Exit code 0: valid, 1: not valid.
    """
    from towline.commands.check import is_valid, problems_of, report

    named = os.environ.get("TOWLINE_CONFIG")
    wanted = files or (Path(named or DEFAULT_FILE),)
    if not (files or named or DEFAULT_FILE.exists()):
        raise click.UsageError(f"there is no {DEFAULT_FILE} here; which FILE should be checked?")
    found = {file: problems_of(file, os.environ, folder) for file in wanted}
    if text := report(found, form):
        click.echo(text)
    sys.exit(0 if all(map(is_valid, found.values())) else FAULT)


@main.command()
@filters
@click.option("--until", default="", metavar="TIME", help="Before then.")
@click.option(
    "-n",
    "last",
    callback=count,
    metavar="NUMBER",
    help="How many, or all. [default: 100; all with --since]",
)
@remote_options
def logs(url: str, token: str, as_json: bool, **given: Any) -> None:
    """Show stored records, the newest last.

    Names may be shell patterns: towline logs 'shop-*' --since 1h --grep timeout
    """
    from towline.commands.search import logs as find
    from towline.commands.search import strangers

    with _Asking(url, token) as remote:
        wanted = _wanted(given, 100)
        shown = find(remote, wanted, _show(as_json, date=True))
        if not shown.count and wanted.last != 0:
            _say("; ".join(["no record matches", *strangers(remote, wanted.names)]))
    if shown.older and sys.stderr.isatty():
        click.echo(f"(these are the newest {wanted.last}; -n all shows all)", err=True)


@main.command()
@filters
@click.option(
    "-n",
    "last",
    callback=count,
    metavar="NUMBER",
    help="How many old ones first. [default: 10; all with --since]",
)
@remote_options
def tail(url: str, token: str, as_json: bool, **given: Any) -> None:
    """Show records as they come, until Ctrl-C.

    When the connection breaks it is made again, and records go on where they stopped.
    """
    import asyncio

    from towline.commands.search import tail as follow

    with _Asking(url, token) as remote:
        show = _show(as_json, date=False)
        try:
            asyncio.run(follow(remote, _wanted(given, 10), show, _say))
        except KeyboardInterrupt:
            sys.exit(0)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As the API tells it.")
@remote_options
def status(url: str, token: str, as_json: bool) -> None:
    """Show how every component is.

    Exit code 0: everything is up, 1: something is not, 2: no Towline answers.
    """
    import json

    from towline.commands import status as room

    with _Asking(url, token) as remote:
        found = room.ask(remote)
        if as_json:
            click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            click.echo(room.report(found, time.time(), _paint))
        sys.exit(0 if room.is_well(found) else FAULT)


_MORE = (schema, secret, audit, test, plan, preview, mqtt, doctor, backends, pause, resume, replay)
for _command in _MORE:
    main.add_command(_command)


class _Asking:
    """A remote whose errors end the command with words."""

    def __init__(self, url: str, token: str) -> None:
        from towline.client.remote import Remote

        try:
            self._remote = Remote(url, token)
        except ValueError as exc:
            raise click.UsageError(str(exc)) from exc

    def __enter__(self) -> Remote:
        return self._remote

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, ClientError):
            _fail(_in_options(exc), NOBODY if isinstance(exc, NoAnswer) else FAULT)


def _in_options(exc: ClientError) -> str:
    """What the API says of a parameter, said of the option that gave it."""
    parameter, colon, rest = str(exc).partition(": ")
    if isinstance(exc, Declined) and exc.code == "bad_regex":
        return f"--grep: {exc}"
    return f"{_OPTIONS.get(parameter, parameter)}{colon}{rest}"


def _wanted(given: dict[str, Any], usual: int) -> Wanted:
    from towline.commands.search import Wanted

    last = given.pop("last")
    if last is None:
        last = -1 if given["since"] else usual
    given["min_level"] = given["min_level"] or ""
    return Wanted(**given, last=None if last < 0 else last)


def _show(as_json: bool, *, date: bool) -> Callable[[list[bytes]], None]:
    from towline.commands.rows import Rows

    if as_json:
        return lambda records: click.echo(b"".join([row + b"\n" for row in records]), nl=False)
    colour = _colourful(sys.stdout)
    rows = Rows(colour=colour, date=date)
    return lambda records: click.echo(rows(records), nl=False, color=colour)


def _colourful(stream: TextIO) -> bool:
    """Whether a person looks at it who wants colours (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _paint(text: str, state: str) -> str:
    if not _colourful(sys.stdout):
        return text
    return click.style(text, fg=_STATES.get(state))


def _say(text: str) -> None:
    click.echo(f"towline: {text}", err=True)


def _fail(text: str, code: int = FAULT) -> NoReturn:
    _say(text)
    sys.exit(code)
