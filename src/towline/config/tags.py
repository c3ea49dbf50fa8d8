"""What `!env_var` stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towline.config.faults import Fault
from towline.config.places import Spot
from towline.config.scalars import plain_value
from towline.config.tree import Tag


def env_var(environment: Mapping[str, str]) -> Tag:
    """`!env_var NAME [default]`: an empty variable counts as not set where a default is given.

    Whole numbers and `true` and `false` are taken as such, everything else is text.
    """

    def value(words: str, __: Spot) -> Any:
        name, _, default = words.partition(" ")
        found = environment.get(name) or default.strip()
        if not found and name not in environment:
            hint = f"set it, or write a default: !env_var {name} default"
            raise Fault("missing_variable", f"the variable {name!r} is not set", hint=hint)
        meant = plain_value(found)
        return meant if isinstance(meant, bool | int) else found

    return value
