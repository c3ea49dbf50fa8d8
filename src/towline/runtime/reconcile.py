"""Make what runs match what is wanted, or leave it exactly as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, Final

from towline.errors import RestoreError, StartError
from towline.ports import Component
from towline.runtime.diff import Plan, Spec, Specs, diff
from towline.runtime.slot import Slot

Lookup = Callable[[str], Any]
Build = Callable[[Spec, Lookup], Component]
GRACE: Final = 5.0
"""Seconds that a component gets to finish what it holds."""


class Reconciler:
    """Owns every running component and is the only one to start or stop them.

    Newcomers open beside their predecessors; then one swap; then the old drain; and each newcomer
    runs once its own predecessor is gone, so that no two of them work on one thing.
    """

    def __init__(self, tasks: asyncio.TaskGroup, build: Build) -> None:
        self._tasks = tasks
        self._build = build
        self._specs: Specs = {}
        self._slots: dict[str, Slot] = {}
        self._turn = asyncio.Lock()

    @property
    def slots(self) -> Mapping[str, Slot]:
        """What runs, by key."""
        return self._slots

    @property
    def specs(self) -> Specs:
        """What is in force."""
        return self._specs

    def component(self, key: str) -> Any:
        """The running component of a key, or None."""
        slot = self._slots.get(key)
        return slot.component if slot else None

    async def apply(
        self,
        wanted: Specs,
        *,
        grace: float = GRACE,
        swapped: Callable[[Plan], None] = lambda _: None,
    ) -> Plan:
        """Bring the running set to `wanted`; on `StartError` nothing has changed.

        `swapped` is called at the moment of the swap, when nothing can fail any more.
        """
        async with self._turn:
            old = self._specs
            plan = diff(old, wanted)
            fresh, parked = await self._stage(plan, wanted)
            retired = {key: self._slots.pop(key) for key in plan.retires}
            self._slots |= fresh
            self._specs = dict(wanted)
            swapped(plan)
            for key in plan.added | set(parked) & fresh.keys():
                fresh[key].go()

            async def hand_over(key: str) -> None:
                await retired[key].stop(grace)
                if key in fresh:
                    fresh[key].go()

            for tier in reversed(_tiers(plan.retires - set(parked), old)):
                # together: one that has nobody to deliver to must not hold up the others
                await asyncio.gather(*map(hand_over, tier))
            return plan

    async def _stage(self, plan: Plan, wanted: Specs) -> tuple[dict[str, Slot], list[str]]:
        """Open every newcomer beside its predecessor; undo it all if one fails."""
        fresh: dict[str, Slot] = {}
        staged: dict[str, Slot] = {}
        parked: list[str] = []

        def lookup(key: str) -> Any:
            slot = staged.get(key) or self._slots.get(key)
            return slot.component if slot else None

        try:
            for key in _ordered(plan.starts, wanted):
                for holder in self._holders(wanted[key], plan.retires - set(parked)):
                    parked.append(holder)
                    await self._slots[holder].stop(GRACE)
                fresh[key] = staged[key] = await self._open(wanted[key], lookup)
        except BaseException:
            for slot in reversed(fresh.values()):
                await slot.stop()
            await self._restore(parked)
            raise
        finally:
            staged.clear()  # components outlive this: what they look up later is what runs then
        return fresh, parked

    def _holders(self, newcomer: Spec, retiring: frozenset[str]) -> list[str]:
        """Retiring components that hold what the newcomer cannot share, in the order to stop.

        Those that lean on them go first: they still have something to deliver through them, and
        if they came back with the newcomer gone, they would lean on nothing.
        """
        others = retiring - {newcomer.key} if newcomer.hands_over else retiring
        found = {key for key in others if self._specs[key].claims & newcomer.claims}
        while leaning := {key for key in retiring - found if self._specs[key].needs & found}:
            found |= leaning
        return _ordered(frozenset(found), self._specs)[::-1]

    async def _restore(self, parked: list[str]) -> None:
        for key in _ordered(frozenset(parked), self._specs):
            try:
                self._slots[key] = slot = await self._open(self._specs[key], self.component)
            except StartError as exc:
                raise RestoreError(f"could not bring back {key}") from exc
            slot.go()

    async def _open(self, spec: Spec, lookup: Lookup) -> Slot:
        slot = Slot(spec.key, lambda: self._build(spec, lookup))
        await slot.open(self._tasks)
        return slot


def _ordered(keys: frozenset[str], specs: Specs) -> list[str]:
    return sorted(keys, key=lambda key: (specs[key].tier, key))


def _tiers(keys: frozenset[str], specs: Specs) -> list[list[str]]:
    ordered = _ordered(keys, specs)
    return [list(tier) for _, tier in groupby(ordered, lambda key: specs[key].tier)]
