"""The commands `test`, `plan` and `preview`: a configuration before it is in force."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from towline.commands.options import remote_options
from towline.errors import ClientError, ConfigError, NoAnswer, StoreError

if TYPE_CHECKING:
    from towline.client.remote import Remote
    from towline.config.settings import Settings

DEFAULT_FILE: Final = Path("config/towline.yaml")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_surrounded = click.pass_obj  # the environment, which `cli` alone reads
_Decorator = Callable[[Any], Any]
_file: Final[_Decorator] = click.argument(
    "file", required=False, type=click.Path(path_type=Path), metavar="[FILE]"
)

_folder: Final[_Decorator] = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The configuration folder: files in it are included.  [default: the file's own]",
)


def _form(*forms: str) -> _Decorator:
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default="text",
        show_default=True,
        help="For people, for programs, or as notes beside the lines of a code review."
        if "ci" in forms
        else "For people or for programs.",
    )


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@_form("text", "json", "ci")
@_folder
@_surrounded
def test(
    environment: Mapping[str, str], files: tuple[Path, ...], form: str, folder: Path | None
) -> None:
    """Run the `tests:` of configuration files.

    Nothing is started or opened but the files. Exit code 0: all passed, 1: some failed, 2: a file
    is not valid.
    """
    from towline.commands.test import exit_code, ran, report

    found = {
        file: ran(file, environment, folder) for file in files or (_default(None, environment),)
    }
    if text := report(found, form):
        click.echo(text)
    sys.exit(exit_code(found))


@click.command()
@_file
@_form("text", "json", "ci")
@remote_options
@_surrounded
def plan(
    environment: Mapping[str, str], file: Path | None, form: str, url: str, token: str
) -> None:
    """Show what a file would start, change and stop in a running Towline.

    Nothing is changed. Exit code 0: nothing would change, 2: something would, 1: the file is not
    valid, or no Towline answers.
    """
    from towline.commands.plan import ask, report

    wanted = _default(file, environment)
    try:
        found = ask(_remote(url, token), wanted)
    except ConfigError as exc:
        _invalid(exc, form)
    except ClientError as exc:
        _fail(str(exc))
    if text := report(found, wanted, form):
        click.echo(text)
    sys.exit(2 if found["changes"] else 0)


def _last(context: Any, option: Any, value: str) -> str:
    """A duration as the API takes it."""
    if not re.fullmatch(r"\d{1,6}[smhdw]", value, re.ASCII):
        raise click.BadParameter("expected a duration such as 30m, 1h or 7d")
    return value


@click.command()
@_file
@click.option(
    "--last", default="1h", show_default=True, callback=_last, help="Records of this time."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000_000),
    default=100_000,
    show_default=True,
    help="Records at most, the newest.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Read this data folder instead of asking a running Towline.",
)
@_folder
@_form("text", "json")
@remote_options
@_surrounded
def preview(
    environment: Mapping[str, str],
    file: Path | None,
    last: str,
    limit: int,
    data: Path | None,
    folder: Path | None,
    form: str,
    url: str,
    token: str,
) -> None:
    """Run stored records through a file: what would go where, be redacted, be parsed.

    Nothing is changed. Exit code 0: done, 1: the file is not valid, or the Towline that was asked
    says no, 2: no Towline answers.
    """
    from towline.commands.files import settings_of
    from towline.commands.preview import from_folder, from_remote, last_good, report

    wanted = _default(file, environment)
    try:
        settings: Settings = settings_of(wanted, environment, folder)
        if data is None:
            found = from_remote(_remote(url, token), settings, last, limit)
        else:
            since = round((time.time() - int(last[:-1]) * _UNITS[last[-1]]) * 1000)
            present = last_good(data, environment, folder, wanted)
            found = from_folder(data, settings, present, since, limit)
    except ConfigError as exc:
        _invalid(exc, form)
    except (ClientError, StoreError) as exc:
        _fail(str(exc), 2 if isinstance(exc, NoAnswer) else 1)
    click.echo(report(found, wanted, form))


def _default(file: Path | None, environment: Mapping[str, str]) -> Path:
    """The file that `towline run` would take."""
    named = environment.get("TOWLINE_CONFIG")
    if not (file or named or DEFAULT_FILE.exists()):
        raise click.UsageError(f"there is no {DEFAULT_FILE} here; which FILE is meant?")
    return file or Path(named or DEFAULT_FILE)


def _remote(url: str, token: str) -> Remote:
    from towline.client.remote import Remote

    try:
        return Remote(url, token)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def _invalid(exc: ConfigError, form: str) -> NoReturn:
    from towline.commands.files import told

    click.echo(told(exc.problems, form), err=form == "text")
    sys.exit(1)


def _fail(text: str, code: int = 1) -> NoReturn:
    click.echo(f"towline: {text}", err=True)
    sys.exit(code)
