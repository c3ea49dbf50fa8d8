"""Kinds of components: how one is written, kept and opened. The tables stand in `app.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.config.faults import Fault
from towline.config.settings import Device
from towline.ports import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a component may ask of the program it runs in.

    `lookup` gives the running component of a key ("brokers.home"): the newcomer where a change
    brings one. `checkpoints` is the store's, for sources that can be read again; `held` tells
    the first row of some origins that a step holds back. `folder` is the one of the configuration:
    paths of certificates count from there.
    """

    device: Device
    lookup: Callable[[str], Any]
    checkpoints: Any
    max_age: float
    folder: Path = Path()
    held: Held = lambda _: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source or backend.

    `schema` checks the mapping without its `type` and returns the arguments of `config`, a frozen
    dataclass. `open(name, config, surroundings)` builds the component and opens nothing.
    `needs` names components it leans on, `claims` what it must hold alone ("port 0.0.0.0:514").
    `doubts` are warnings: faults of severity `warning`, with the path below the component.
    """

    schema: Callable[[Any], Any]
    config: Callable[..., Any]
    open: Callable[[str, Any, Surroundings], Any]
    needs: Callable[[Any], frozenset[str]] = lambda _: frozenset()
    claims: Callable[[Any], frozenset[str]] = lambda _: frozenset()
    doubts: Callable[[Any], Iterable[Fault]] = lambda _: ()


Kinds = Mapping[str, Kind]
