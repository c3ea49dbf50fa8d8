"""`towline schema`: the JSON Schema of a configuration file."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of a configuration file, for editors."""
    from towline.config.export import as_text, json_schema
    from towline.kinds import BACKENDS, SOURCES

    click.echo(as_text(json_schema(SOURCES, BACKENDS)), nl=False)
