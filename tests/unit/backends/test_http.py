from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from towline.backends.http import LONGEST_WAIT, Answer, retry_after
from towline.errors import Retryable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:04:15 -0000", 10.0),
        ("Fri, 02 Jan 2026 02:04:05 GMT", 0.0),
        ("99999999999999999999", LONGEST_WAIT),
        ("Sat, 02 Jan 2027 03:04:05 GMT", LONGEST_WAIT),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("\u0667", None),
    ],
)
def test_when_to_come_back_is_a_number_or_a_date_within_reason(
    text: str, seconds: float | None
) -> None:
    assert retry_after(text, NOW) == seconds


class Shape(msgspec.Struct):
    a: int


@pytest.mark.parametrize("body", [b"Log in", b"", b"[]", b'{"a":"b"}', b'{"a":1'])
def test_what_is_not_understood_comes_from_something_in_between(body: bytes) -> None:
    assert Answer(200, b'{"a":1,"b":2}', "application/json").json(Shape).a == 1
    with pytest.raises(Retryable, match="answered with text/plain that cannot be understood"):
        Answer(200, body, "text/plain").json(Shape)
