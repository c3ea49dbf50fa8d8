from __future__ import annotations

import pytest

from tests.unit.config.kinds import loaded, told

TEXT = "version: 1\nbrokers: {home: {servers: [mqtt://nas]}}\nrequests: {enabled: true%s}\n"


def test_a_secret_is_long_and_is_never_shown() -> None:
    (fault,) = told(TEXT % ", secret: short")
    assert "expected at least 16 characters" in fault
    assert "short" not in fault
    found = loaded(TEXT % ", secret: a-secret-of-some-length").requests
    assert "length" not in repr(found)
    assert found.secret.reveal() == "a-secret-of-some-length"


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("", ["unsigned"]),
        (", allow: [status, query]", []),
        (", secret: a-secret-of-some-length", []),
    ],
)
def test_what_anybody_may_change_is_warned_of(more: str, codes: list[str]) -> None:
    assert [each.code for each in loaded(TEXT % more).warnings] == codes
