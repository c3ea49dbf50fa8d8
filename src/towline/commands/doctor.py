"""`towline doctor`: why a line may be missing, and what to do about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from towline.commands.options import remote_options
from towline.commands.rows import visible
from towline.errors import ClientError, NoAnswer

Found = Sequence[Mapping[str, Any]]

_SIGNS: Final = {"error": ("x", "red"), "warning": ("!", "yellow"), "note": ("-", None)}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--notes", is_flag=True, help="Also what was asked for, such as exclusions.")
@remote_options
def doctor(url: str, token: str, as_json: bool, notes: bool) -> None:
    """Tell why a line may be missing, and what to do about it.

    Exit code 0: nothing is wrong, 1: something is, 2: no Towline answers.
    """
    from towline.client.remote import Remote

    try:
        found: Found = Remote(url, token).get("status")["findings"]
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    except ClientError as exc:
        click.echo(f"towline: {exc}", err=True)
        sys.exit(2 if isinstance(exc, NoAnswer) else 1)
    shown = [each for each in found if notes or each["severity"] != "note"]
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo(report(shown, len(found) - len(shown)))
    sys.exit(1 if any(each["severity"] != "note" for each in found) else 0)


def report(found: Found, hidden: int) -> str:
    """A line per finding and its remedy."""
    rows = [_row(each) for each in found] or ["nothing is wrong"]
    if hidden:
        rows.append(f"({hidden} more with --notes)")
    return "\n".join(rows)


def _row(each: Mapping[str, Any]) -> str:
    sign, color = _SIGNS[each["severity"]]
    about = click.style(f"{sign} {visible(each['about'])}", fg=color)
    remedy = f" → {visible(each['remedy'])}" if each["remedy"] else ""
    return f"{about}: {visible(each['text'])}{remedy}"
