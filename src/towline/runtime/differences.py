"""Which settings differ between two specs of one component, in the words of the file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from towline.alerts.opening import Watched
from towline.config.settings import Api, Device, Entry, Secret, Upkeep
from towline.runtime.diff import Spec
from towline.runtime.specs import Located, Over

MASK: Final = "***"
LONGEST: Final = 200
"""Characters of a value that are shown."""

_PRIVATE: Final = re.compile(r"(?:^|[._])(?:password|passphrase|secret|token|key|hash)$")
_PASSWORD_IN_URL: Final = re.compile(r"(://[^\s/@:]*:)[^\s/@]+(?=@)")
_BARE: Final = re.compile(r"[A-Za-z0-9/*][\w ./*@+-]*")
_WORDS: Final = {"negated": "not", "alternatives": "any", "replacement": "with"}
_UPKEEP: Final = {key: f"retention.{key}" for key in ("max_age", "max_size", "min_free", "rules")}
_SPANS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_SIZES: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB"))
_Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that differs; empty texts: it is not there. Of a secret neither is shown."""

    setting: str
    before: str
    after: str
    secret: bool = False

    def as_json(self) -> dict[str, Any]:
        """The shape that the API serves."""
        if self.secret:
            return {"setting": self.setting, "secret": True}
        return {"setting": self.setting, "before": self.before, "after": self.after}


def differences(old: Spec, new: Spec, secrets: frozenset[Secret]) -> tuple[Difference, ...]:
    """The settings in which two specs differ, in the file's order."""
    room = old.key.partition(".")[0]
    before, after = dict(_values(old.config, room)), dict(_values(new.config, room))
    found: list[Difference] = []
    for setting in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(setting), after.get(setting)
        if one != other:
            found += _told(setting, one, other, secrets)
    return tuple(found)


def _told(
    setting: str, before: Any, after: Any, secrets: frozenset[Secret]
) -> Iterator[Difference]:
    """A list of mappings is told item by item: what is not in the other one."""
    if _is_list(before) or _is_list(after):
        olds, news = tuple(before or ()), tuple(after or ())
        gone = [_difference(setting, item, None, secrets) for item in olds if item not in news]
        come = [_difference(setting, None, item, secrets) for item in news if item not in olds]
        shown = {each.before for each in gone} & {each.after for each in come}
        for each in (*gone, *come):
            if (each.before or each.after) not in shown:
                yield each
        if shown:  # alike but for what is not shown
            yield Difference(setting, "", "", secret=True)
        if not (gone or come):
            yield Difference(setting, "one order", "another order")
    else:
        yield _difference(setting, before, after, secrets)


def _difference(setting: str, before: Any, after: Any, secrets: frozenset[Secret]) -> Difference:
    one, other = _written(before, setting), _written(after, setting)
    if MASK in (one, other) or any(_holds(text, secrets) for text in (one, other)):
        return Difference(setting, "", "", secret=True)
    if one == other:  # but for what is not shown
        return Difference(setting, "", "", secret=True)
    return Difference(setting, _short(one), _short(other))


def _holds(text: str, secrets: frozenset[Secret]) -> bool:
    return any(value in text for secret in secrets if (value := secret.reveal()))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple) and any(is_dataclass(item) for item in value)


def _values(config: Any, room: str) -> Iterator[tuple[str, Any]]:
    """Settings by their names in the file, below the component's own place."""
    if isinstance(config, Located):
        yield "device.id", config.device.id
        yield from _values(config.own, room)
        if isinstance(config, Over):
            yield "broker", config.broker
    elif isinstance(config, Watched):
        yield "device.id", config.device.id
        yield from _flat(config.own, "")
    elif isinstance(config, Entry):
        yield "type", config.type
        yield from _values(config.config, room)
    elif isinstance(config, Device):
        yield "device.id", config.id
        yield "device.name", config.name
    elif isinstance(config, Api):
        yield "listen", f"{config.host}:{config.port}"
        yield "tokens", config.tokens
    elif isinstance(config, Upkeep):
        for name, value in _members(config):
            yield f"store.{_UPKEEP.get(name, name)}", value
    elif room == "routes":
        yield "routes", config
    elif isinstance(config, tuple):
        for part in config:
            yield from _values(part, room)
    else:
        yield from _flat(config, "")


def _flat(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in _members(config):
        if is_dataclass(value):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    for each in fields(value):
        yield each.name, getattr(value, each.name)


def _written(value: Any, name: str) -> str:
    """A value as a file would hold it, empty where there is none."""
    if value is None:
        return ""
    if value and (isinstance(value, Secret) or _PRIVATE.search(name)):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _span(value)
    if isinstance(value, int):
        return _size(value) if name.endswith("size") else str(value)
    if isinstance(value, str | Path):
        return _text(_PASSWORD_IN_URL.sub(rf"\1{MASK}", str(value)))
    if is_dataclass(value) or isinstance(value, Mapping):
        pairs = value.items() if isinstance(value, Mapping) else _members(value)
        given = [(_WORDS.get(key, key), item) for key, item in pairs if item not in ((), "", None)]
        return f"{{{', '.join(f'{key}: {_written(item, str(key))}' for key, item in given)}}}"
    if isinstance(value, tuple | list | frozenset):
        return f"[{', '.join(_written(item, name) for item in value)}]"
    return str(value)


def _text(text: str) -> str:
    return text if _BARE.fullmatch(text) else f'"{text}"'


def _span(seconds: float) -> str:
    """A duration in the largest unit of which it is a whole number; none at all is `off`."""
    if not seconds:
        return "off"
    for size, unit in _SPANS:
        if seconds >= size and not seconds % size:
            return f"{int(seconds // size)}{unit}"
    return f"{round(seconds * 1000)}ms"


def _size(octets: int) -> str:
    for size, unit in _SIZES:
        if octets >= size and not octets % size:
            return f"{octets // size}{unit}"
    return f"{octets}B"
