"""`towline audit`: whether what it says is what was written."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group()
def audit() -> None:
    """Who changed what."""


@audit.command()
@click.option(
    "--data",
    envvar="TOWLINE_DATA",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="The data folder.",
)
@click.option("--head", default="", metavar="N:MAC", help="A head that was kept elsewhere.")
def verify(data: Path, head: str) -> None:
    """Find entries that were changed, removed or put in another order.

    Exit code 0: all is as it was written, 1: it is not.
    """
    from towline.audit.chain import Head
    from towline.audit.files import verified

    number, _, mac = head.partition(":")
    if head and not (number.isdigit() and len(mac) == 64):
        raise click.UsageError("--head is the number of an entry, a colon and its mac")
    try:
        first, last, faults = verified(data, Head(int(number), mac) if head else None)
    except OSError as exc:
        click.echo(f"towline: {exc.filename}: {exc.strerror}", err=True)
        sys.exit(1)
    for fault in faults:
        click.echo(fault)
    span = f"entries {first} to {last}" if last else "no entries"
    click.echo(f"{span}: {f'{len(faults)} faults' if faults else 'as they were written'}")
    sys.exit(1 if faults else 0)
