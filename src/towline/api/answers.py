"""Answers in the API's one shape: JSON, errors, records joined from the bytes they are kept in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from towline.errors import ConfigError, Problem

_encode = msgspec.json.Encoder().encode

CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
}
"""The codes of refusals that HTTP has a status for."""


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(_encode(value), status, headers, "application/json")


def error(
    status: int,
    code: str,
    message: str,
    *,
    problems: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The one shape of an error."""
    body: dict[str, Any] = {"code": code, "message": message}
    if problems:
        body["problems"] = list(problems)
    return json({"error": body}, status, headers)


def refused_file(exc: ConfigError) -> Response:
    """A configuration's problems, each where its author finds it."""
    return error(422, "config_invalid", str(exc), problems=[problem(each) for each in exc.problems])


def problem(problem: Problem) -> dict[str, Any]:
    """A problem of a configuration."""
    found: dict[str, Any] = msgspec.to_builtins(
        {name: getattr(problem, name) for name in problem.__dataclass_fields__ if name != "path"}
    )
    return found | {"path": [str(part) for part in problem.path]}


def records(rows: Iterable[bytes], next_id: str | None, *, partial: bool = False) -> Response:
    """A page of records; `next` is where to go on, null at the end.

    A partial one says that the time was up before as many were found as were asked for.
    """
    return page("logs", rows, next_id, partial=partial)


def page(
    name: str, rows: Iterable[bytes], next_id: str | None, *, partial: bool = False
) -> Response:
    """Rows that are JSON already, as the list of a name."""
    held = list(rows)
    tail = b'],"next":' + _encode(next_id) + (b',"partial":true}' if partial else b"}")
    body = b'{"count":%d,"%b":[' % (len(held), name.encode()) + b",".join(held) + tail
    return Response(body, media_type="application/json")
