"""What has to change to get from one set of components to another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What one component should be. Equal specs mean: leave it running.

    `tier` orders opening, lowest first. `needs` names components it leans on: it is rebuilt with
    them. `claims` names what it must hold alone, such as a port or a client id; with `hands_over`
    a newcomer gets it from its own predecessor while that still runs.
    """

    key: str
    config: object
    tier: int = 0
    needs: frozenset[str] = frozenset()
    claims: frozenset[str] = field(default=frozenset(), compare=False)
    hands_over: bool = False


Specs = Mapping[str, Spec]


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys to start, to change and to stop."""

    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]
    kept: frozenset[str]

    @property
    def starts(self) -> frozenset[str]:
        """Keys that get a new component."""
        return self.added | self.changed

    @property
    def retires(self) -> frozenset[str]:
        """Keys whose present component goes away."""
        return self.removed | self.changed

    def __bool__(self) -> bool:
        return bool(self.starts or self.retires)


def diff(old: Specs, new: Specs) -> Plan:
    """Compare two sets of specs; what leans on a component that moves is changed with it."""
    common = old.keys() & new.keys()
    changed = {key for key in common if old[key] != new[key]}
    moved = changed | (old.keys() ^ new.keys())
    while leaning := {key for key in common - changed if new[key].needs & moved}:
        changed |= leaning
        moved |= leaning
    return Plan(
        added=frozenset(new.keys() - old.keys()),
        changed=frozenset(changed),
        removed=frozenset(old.keys() - new.keys()),
        kept=frozenset(common - changed),
    )
