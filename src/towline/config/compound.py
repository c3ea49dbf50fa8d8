"""Validators of many values at once: mappings, names, lists, kinds.

They report every fault at once and keep the parts that are sound, so that one misspelt key does
not hide what is wrong elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from collections.abc import Mapping as Map
from itertools import islice
from typing import Any, Final

import voluptuous as vol

from towline.config.faults import Fault, expected, shown
from towline.config.settings import Secret

Validator = Callable[[Any], Any]
KEEPERS: Final[list[Any]] = []
"""Validators that take a `Secret` as it is; all others get its text, which no message shows."""

Checked = tuple[Any, list[vol.Invalid]]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MOST_NAMES: Final = 1000
_MOST_STRANGE: Final = 100
A_NAME: Final = "a name of at most 64 letters a-z, digits, - and _, a letter or digit first"


def checked(validator: Any, value: Any) -> Checked:
    """What a validator makes of a value, and its faults; a compound one keeps its sound parts."""
    if isinstance(validator, Compound):
        return validator.check(value)
    if isinstance(value, Secret) and not any(validator is keeper for keeper in KEEPERS):
        value = value.reveal()
    is_ours = callable(validator) and not isinstance(validator, type)
    try:
        return (validator if is_ours else vol.Schema(validator))(value), []
    except vol.MultipleInvalid as exc:
        return None, list(exc.errors)
    except vol.Invalid as exc:
        return None, [exc]
    except ValueError as exc:
        return None, [Fault("wrong_value", f"{shown(value)} cannot be used: {exc}")]


def _beneath(key: Hashable, faults: list[vol.Invalid]) -> list[vol.Invalid]:
    for fault in faults:
        fault.prepend([key])
    return faults


class Compound:
    """A validator of many values; `check` is the part that differs."""

    def check(self, value: Any) -> Checked:
        """The sound parts and every fault."""
        raise NotImplementedError

    def __call__(self, value: Any) -> Any:
        """What the value means, or `MultipleInvalid` with every fault."""
        result, faults = self.check(value)
        if faults:
            raise vol.MultipleInvalid(faults)
        return result


class Mapping(Compound):
    """A mapping of known keys, written with `vol.Required` and `vol.Optional`.

    A key without a value counts as not written: people comment out what stands beneath it.
    """

    def __init__(self, schema: Map[Any, Any]) -> None:
        self.schema = dict(schema)
        self._known = [str(key) for key in self.schema]

    def check(self, value: Any) -> Checked:
        """The sound keys, defaults filled in, and every fault."""
        if not isinstance(value, dict):
            return None, [expected(f"a mapping with the keys {', '.join(self._known)}", value)]
        result: dict[str, Any] = {}
        strange = (key for key in value if key not in self._known)
        faults = [self._unknown(key) for key in islice(strange, _MOST_STRANGE)]
        for key, validator in self.schema.items():
            written = value.get(str(key))
            if written is None:
                if isinstance(key, vol.Required):
                    faults.append(_missing(f"the key {str(key)!r} is missing"))
                    continue
                default = getattr(key, "default", vol.UNDEFINED)
                if isinstance(default, vol.Undefined):
                    continue
                written = default()
            item, found = checked(validator, written)
            faults += _beneath(str(key), found)
            if not found or isinstance(validator, Named):
                result[str(key)] = item
        return result, faults

    def _unknown(self, key: object) -> vol.Invalid:
        text = f"unknown key {shown(str(key))}"
        return Fault("unknown_key", text, path=[key], word=key, known=self._known, at_key=True)


def _missing(text: str) -> vol.Invalid:
    """Shown at the key that lacks it: the value may begin lines below."""
    return Fault("missing_key", text, at_key=True)


class Named(Compound):
    """Names chosen by the author, each with the same kind of value; keeps the sound ones."""

    def __init__(self, item: Validator) -> None:
        self.item = item

    def check(self, value: Any) -> Checked:
        """The sound entries by name, and every fault."""
        if not isinstance(value, dict):
            return {}, [expected("a mapping of names", value)]
        if len(value) > MOST_NAMES:
            return {}, [Fault("wrong_length", f"expected at most {MOST_NAMES} names")]
        result: dict[str, Any] = {}
        faults: list[vol.Invalid] = []
        for key, written in value.items():
            if not NAME.fullmatch(key):
                faults.append(_bad_name(key))
            entry, found = checked(self.item, {} if written is None else written)
            faults += _beneath(key, found)
            if not found:
                result[key] = entry
        return result, faults


def _bad_name(key: str) -> vol.Invalid:
    return Fault("bad_name", f"expected {A_NAME}, not {shown(key)}", path=[key], at_key=True)


class Listing(Compound):
    """A list whose items are all alike, as a tuple."""

    def __init__(self, item: Validator, *, least: int = 0, most: int = 1000) -> None:
        self.item = item
        self.least, self.most = least, most

    def check(self, value: Any) -> Checked:
        """The sound items, and every fault."""
        if not isinstance(value, list):
            return (), [expected("a list", value)]
        if not self.least <= len(value) <= self.most:
            bound = f"{self.least} to {self.most} items in this list, not {len(value)}"
            return (), [Fault("wrong_length", f"expected {bound}")]
        pairs = [checked(self.item, item) for item in value]
        faults = [fault for at, (_, found) in enumerate(pairs) for fault in _beneath(at, found)]
        return tuple(item for item, found in pairs if not found), faults


class ByType(Compound):
    """Dispatches on `type:`, so that each kind's faults speak only of that kind.

    Gives what the kind's validator made of the other keys.
    """

    def __init__(self, kinds: Map[str, Validator]) -> None:
        self.kinds = dict(kinds)

    def check(self, value: Any) -> Checked:
        """What was made of it, and every fault."""
        words = ", ".join(sorted(self.kinds)) or "nothing"
        if not isinstance(value, dict):
            return None, [expected("a mapping with a type", value)]
        kind = value.get("type")
        if kind is None:
            return None, [_missing(f"the key 'type' is missing; one of: {words}")]
        if not isinstance(kind, str) or kind not in self.kinds:
            text = f"unknown type {shown(kind)}; one of: {words}"
            return None, [Fault("unknown_type", text, path=["type"], word=kind, known=self.kinds)]
        rest = {key: item for key, item in value.items() if key != "type"}
        return checked(self.kinds[kind], rest)


class Into(Compound):
    """A mapping whose checked keys become the arguments of `make`, which may raise a `Fault`."""

    def __init__(self, item: Validator, make: Callable[..., Any]) -> None:
        self.item = item
        self._make = make

    def check(self, value: Any) -> Checked:
        """What was made, or the faults."""
        result, faults = checked(self.item, value)
        if faults:
            return None, faults
        try:
            return self._make(**result), []
        except Fault as fault:
            return None, [fault]
