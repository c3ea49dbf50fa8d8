"""`towline secret`: keys, and the values that are encrypted with them.

A value comes from a prompt or from standard input, never from the command line: other users of a
machine can read that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from towline.errors import ConfigError

if TYPE_CHECKING:
    from towline.config.encrypted import Keys

_FOLDER: Final = Path("config")
_LONGEST: Final = 64 << 10

_config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TOWLINE_CONFIG",
    help="The configuration beside whose file the key lies. [default: config/towline.yaml]",
)


@click.group()
def secret() -> None:
    """Keys, and values that are encrypted with them (`!encrypted`).

    The key is in the variable TOWLINE_KEY, in the file that TOWLINE_KEY_FILE names, or in
    .towline.key beside the configuration. It may hold several, the newest first.
    """


@secret.command("new-key")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Put it there, above older keys, for its owner's eyes only. Without this it is printed.",
)
def new_key(file: Path | None) -> None:
    """Make a new key."""
    from cryptography.fernet import Fernet

    key = Fernet.generate_key()
    if file is None:
        click.echo(key)
        return
    from towline.config.files import Files, replace

    try:
        older = Files().read(file) or b""
        replace(file, key + b"\n" + older, mode=0o600)
    except ConfigError as exc:
        _fail(exc)
    except OSError as exc:
        _fail(f"{file}: {exc.strerror}")
    if older:
        _say(f"{file}: a new key above the older ones; now: towline secret rotate FILE...")
    else:
        _say(f"{file}: a new key. Keep a copy elsewhere, and keep it out of Git")


@secret.command()
@click.option(
    "--path",
    default="",
    metavar="PATH",
    help="Where the value will stand (brokers.home.password): it is refused anywhere else.",
)
@_config
@click.pass_obj
def encrypt(environment: Mapping[str, str], path: str, config: Path | None) -> None:
    """Encrypt a value: asked for, or read from standard input.

    Prints what to write in the configuration or in secrets.yaml (there the path is the name).
    """
    from towline.config.faults import Fault

    if not path.isprintable() or path != path.strip():
        raise click.UsageError("--path: expected the way to a value, as in brokers.home.password")
    keys = _keys(environment, config)
    try:
        keys.box()
        click.echo(f"!encrypted {keys.encrypt(_value(), path)}")
    except Fault as fault:
        _fail(fault)


@secret.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@_config
@click.pass_obj
def rotate(environment: Mapping[str, str], files: tuple[Path, ...], config: Path | None) -> None:
    """Encrypt every value in files anew, with the newest key.

    Nothing else in them is changed. When one value cannot be read, no file is written.
    """
    from towline.config.files import Files, replace
    from towline.config.problems import as_text
    from towline.config.rotation import rotated

    keys = _keys(environment, config)
    found = {}
    for file in files:
        try:
            data = Files().read(file)
            if data is None:
                _fail(f"{file}: there is no such file")
            found[file] = rotated(data, str(file), keys)
        except ConfigError as exc:
            click.echo(as_text(exc.problems), err=True)
            sys.exit(1)
    for file, each in found.items():
        if each.changed:
            try:
                replace(file, each.data)
            except OSError as exc:
                _fail(f"{file}: {exc.strerror}")
        _say(f"{file}: {each.changed} encrypted anew, {each.kept} had the newest key already")


def _keys(environment: Mapping[str, str], config: Path | None) -> Keys:
    from towline.config.encrypted import Keys
    from towline.config.files import Files

    return Keys(Files(), config.parent if config else _FOLDER, environment)


def _value() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    value = sys.stdin.read(_LONGEST + 1)
    if len(value) > _LONGEST:
        _fail(f"a value of more than {_LONGEST} characters")
    value = value.removesuffix("\n").removesuffix("\r")
    return value or _fail("there is no value on standard input")


def _say(text: object) -> None:
    click.echo(f"towline: {text}", err=True)


def _fail(text: object) -> NoReturn:
    hint = getattr(text, "hint", "")
    _say(f"{getattr(text, 'msg', text)}{f' ({hint})' if hint else ''}")
    sys.exit(1)
