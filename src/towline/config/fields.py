"""Validators of single values, shared by all schemas: as written in, ready for use out.

A validator raises `Fault` and speaks to people: what was expected, in words. The compound ones
stand in `compound`; `mapping` and `by_type` are offered here too.
"""

from __future__ import annotations

import re
from typing import Any, Final

from towline.config import shapes
from towline.config.compound import A_NAME, KEEPERS, NAME, ByType, Mapping, Validator
from towline.config.faults import Fault, expected, shown
from towline.config.settings import Secret
from towline.config.shapes import TAGGED, TEXT, shaped, words
from towline.record import LEVELS

mapping = Mapping
by_type = ByType

PLACEHOLDERS: Final = (
    "device", "app", "project", "service", "container", "level", "source", "host", "stream",
)  # fmt: skip
"""What a topic template may name in braces."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?(B|KB|MB|GB|TB)", re.ASCII | re.IGNORECASE)
HOST: Final = r"\[[0-9A-Fa-f:.]{2,64}\]|[A-Za-z0-9][A-Za-z0-9._-]{0,252}"
_LISTEN = re.compile(rf"({HOST}):(\d{{1,5}})", re.ASCII)
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_BRACES = re.compile(r"\{([^{}]*)\}")
_TOPIC: Final = r"[^+#$\u0000-\u001f][^+#\u0000-\u001f]*"
PATTERNS: Final[shapes.Shape] = {
    "type": ["string", "integer", "array"],
    "minLength": 1,
    "items": {"type": ["string", "integer"]},
    "minItems": 1,
}
_WORDS_FOR_TRUE = frozenset({"yes", "on", "y", "true"})
_WORDS_FOR_FALSE = frozenset({"no", "off", "n", "false"})


@shaped(TEXT)
def text(value: Any) -> str:
    """Any text. A whole number is taken as it was written."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    hint = "put it in quotes" if isinstance(value, bool | float) else ""
    raise expected("text", value, hint=hint)


@shaped(TEXT | {"pattern": r"\S"})
def some_text(value: Any) -> str:
    """Text that is not empty."""
    found = text(value)
    if not found.strip():
        raise expected("text that is not empty", value)
    return found


@shaped(TEXT)
def secret(value: Any) -> Secret:
    """A text that is never shown."""
    try:
        return Secret(plain(text(value)))
    except Fault:
        # Whatever stands there may be the secret.
        raise Fault("wrong_value", "expected text", hint="put it in quotes") from None


@shaped(TEXT)
def discreet_text(value: Any) -> str:
    """Any text; a secret stays a `Secret`."""
    return value if isinstance(value, Secret) else text(value)


KEEPERS.extend((secret, discreet_text))


def plain(value: str) -> str:
    """The same text as an ordinary `str`, for a value that is taken apart or joined to others."""
    return value.reveal() if isinstance(value, Secret) else value


@shaped({"type": ["boolean", "string"], "pattern": TAGGED})
def boolean(value: Any) -> bool:
    """`true` or `false`; `yes`, `no`, `on` and `off` are text in YAML 1.2."""
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    hint = "write true" if word in _WORDS_FOR_TRUE else ""
    hint = "write false" if word in _WORDS_FOR_FALSE else hint
    raise expected("true or false", value, hint=hint)


def whole(least: int, most: int) -> Validator:
    """A whole number between two bounds, both allowed."""

    shape = {"type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": TAGGED}

    @shaped(shape)
    def validate(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise expected(f"a whole number from {least} to {most}", value)

    return validate


port = whole(1, 65535)


def one_of(*known: str) -> Validator:
    """One of these words."""

    @shaped(shapes.one_of(*known))
    def validate(value: Any) -> str:
        word = plain(value) if isinstance(value, str) else str(value)
        if word in known and not isinstance(value, bool):
            return word
        wanted = f"expected one of {', '.join(known)}, not {shown(value)}"
        raise Fault("wrong_value", wanted, word=value, known=known)

    return validate


level = one_of(*LEVELS)


@shaped(words(r"\d{1,9}(?:\.\d{1,6})? ?(?:ms|s|m|h|d)"))
def duration(value: Any) -> float:
    """A length of time with its unit (`500ms 30s 5m 24h 7d`), as seconds."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if 0 < seconds <= 3650 * _UNITS["d"]:
        return seconds
    number = isinstance(value, int | float) and not isinstance(value, bool)
    hint = f"write {value}s for seconds" if number else ""
    raise expected("a duration such as 500ms, 30s, 5m, 24h or 7d", value, hint=hint)


@shaped(words(r"\d{1,9}(?:\.\d{1,3})? ?(?:[KkMmGgTt]?[Bb])"))
def size(value: Any) -> int:
    """An amount of data with its unit (`512KB 10MB 1GB`), as bytes; KB is 1,000 bytes."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    octets = round(float(found[1]) * _SIZES[found[2].upper()]) if found else 0
    if octets > 0:
        return octets
    raise expected("a size such as 512KB, 10MB or 1GB", value)


@shaped(words(NAME.pattern))
def name(value: Any) -> str:
    """A name for a component: it occurs in paths, addresses and file names."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return plain(value)
    raise expected(A_NAME, value)


@shaped(words(rf"(?:{HOST}):\d{{1,5}}"))
def listen(value: Any) -> tuple[str, int]:
    """`host:port` to listen on, an IPv6 address in brackets; port 0 takes any free one."""
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found and int(found[2]) <= 65535:
        return found[1].strip("[]"), int(found[2])
    raise expected("host:port such as 127.0.0.1:8099 or [::1]:8099", value)


@shaped(words(_TOPIC))
def publish_topic(value: Any) -> str:
    """An MQTT topic that one may publish to."""
    if not isinstance(value, str) or not value.strip("/"):
        raise expected("an MQTT topic", value)
    if any(sign in value for sign in "+#"):
        raise Fault("bad_topic", "wildcards (+ and #) belong in subscriptions, not in topics")
    if value.startswith("$") or _CONTROL.search(value):
        raise Fault("bad_topic", "a topic holds no control characters and does not begin with $")
    if len(value.encode()) > 1024:
        raise Fault("bad_topic", "expected a topic of at most 1024 bytes")
    return plain(value)


def template(*known: str) -> Validator:
    """A text with placeholders in braces, each of them one of these."""

    @shaped(TEXT)
    def validate(value: Any) -> str:
        found = plain(some_text(value))
        for word in _BRACES.findall(found):
            if word not in known:
                wanted = f"unknown placeholder {{{word}}}; one of: {', '.join(known)}"
                raise Fault("unknown_placeholder", wanted, word=word, known=known)
        if set("{}") & set(_BRACES.sub("", found)):
            raise Fault("bad_template", f"a brace without its partner in {shown(found)}")
        return found

    return validate


_topic_placeholders = template(*PLACEHOLDERS)


@shaped(words(_TOPIC))
def topic_template(value: Any) -> str:
    """A topic with placeholders in braces."""
    return str(_topic_placeholders(publish_topic(value)))


@shaped(PATTERNS)
def shell_patterns(value: Any) -> tuple[str, ...]:
    """A shell pattern or a list of them, as a tuple."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise Fault("wrong_length", "expected at least one pattern")
    return tuple(plain(some_text(item)) for item in items)


@shaped({"type": "string", "minLength": 1})
def regex(value: Any) -> str:
    """A pattern as RE2 understands it."""
    compile_regex(value)
    return plain(value)


def compile_regex(value: Any) -> Any:
    """A pattern compiled by RE2: linear in time, without look-around and back-references."""
    import re2  # imported when a file holds a pattern: it costs memory that most never need

    if not isinstance(value, str) or not value:
        raise expected("a pattern", value)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(plain(value), options)
    except re2.error as exc:
        reason = exc.args[0].decode() if isinstance(exc.args[0], bytes) else str(exc)
        wanted = f"not a pattern that RE2 understands: {reason}"
        hint = "look-around and back-references are not supported" if "(?" in value else ""
        raise Fault("bad_regex", wanted, hint=hint) from exc


@shaped({"type": ["string", "integer"], "pattern": words(_DEVICE.pattern)["pattern"]})
def device_id(value: Any) -> str:
    """What names a device in topics and in the identity of containers."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        found = plain(text(value))
        if _DEVICE.fullmatch(found):
            return found
    wanted = "a device id of at most 64 letters a-z, digits, . - and _"
    raise expected(f"{wanted}, a letter or digit first", value)
