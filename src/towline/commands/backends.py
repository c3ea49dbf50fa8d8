"""`towline backends`, `pause`, `resume`, `replay`: how far each backend is, and moving it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from towline.commands.options import remote_options
from towline.errors import ClientError, NoAnswer

if TYPE_CHECKING:
    from towline.client.remote import Remote

_name = click.argument("name", metavar="BACKEND")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As the API tells it.")
@remote_options
def backends(url: str, token: str, as_json: bool) -> None:
    """Show where records go, and how far each backend is.

    Exit code 0: told, 1: that Towline says no, 2: no Towline answers.
    """
    import json

    found = _ask(url, token, lambda remote: remote.get("backends"))["backends"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for backend in found:
        click.echo(_told(backend))
    if not found:
        click.echo("no backend is configured")


def _told(backend: dict[str, Any]) -> str:
    state = "paused" if backend["paused"] else backend["state"]
    counters = backend["counters"]
    facts = [f"{backend['lag']} behind", f"{counters.get('sent', 0)} sent"]
    if missed := counters.get("missed", 0):
        facts.append(f"{missed} missed")
    if backend["dead"]:
        facts.append(f"{backend['dead']} set aside")
    reason = f" ({backend['reason']})" if backend["reason"] else ""
    return f"{backend['name']}  {backend['type']}  {state}  {', '.join(facts)}{reason}"


@click.command()
@_name
@remote_options
def pause(name: str, url: str, token: str) -> None:
    """Send a backend nothing until it is resumed, over restarts. It keeps its place."""
    _change(url, token, name, "pause")


@click.command()
@_name
@remote_options
def resume(name: str, url: str, token: str) -> None:
    """Go on sending to a backend from where it stands."""
    _change(url, token, name, "resume")


@click.command()
@_name
@click.option("--since", default="", metavar="TIME", help="From then on: 1h, 7d, 2026-01-31.")
@click.option("--from", "first", default="", metavar="ID", help="From this record on.")
@click.option("--dead", is_flag=True, help="What was set aside, instead.")
@remote_options
def replay(name: str, since: str, first: str, dead: bool, url: str, token: str) -> None:
    """Send records to a backend again."""
    if bool(since) + bool(first) + dead != 1:
        raise click.UsageError("say one of --since, --from and --dead")
    given = {"since": since} if since else {"from": first}
    if dead:
        _change(url, token, name, "dead/replay")
    else:
        _change(url, token, name, "replay", given)


def _change(url: str, token: str, name: str, what: str, body: Any = None) -> None:
    found = _ask(url, token, lambda remote: remote.post(f"backends/{name}/{what}", body))
    state = "paused" if found["paused"] else "sending"
    click.echo(f"{found['name']}: {state}, {found['lag']} records behind")


def _ask(url: str, token: str, question: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = question(_remote(url, token))
    except ClientError as exc:
        _fail(str(exc), 2 if isinstance(exc, NoAnswer) else 1)
    return found


def _remote(url: str, token: str) -> Remote:
    from towline.client.remote import Remote

    try:
        return Remote(url, token)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"towline: {text}", err=True)
    sys.exit(code)
