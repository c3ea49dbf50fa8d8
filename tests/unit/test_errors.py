from __future__ import annotations

from towline.errors import SourceError, StartError, sole


def failure() -> StartError:
    return StartError("api", OSError("taken"))


def test_the_only_error_of_a_group_is_found_however_deep() -> None:
    found = failure()
    assert sole(ExceptionGroup("a", [ExceptionGroup("b", [found])]), StartError) is found


def test_an_error_beside_another_one_stays_in_its_group() -> None:
    group = ExceptionGroup("a", [failure(), SourceError("away")])
    assert sole(group, StartError) is None


def test_a_group_of_something_else_has_none() -> None:
    assert sole(BaseExceptionGroup("a", [KeyboardInterrupt()]), StartError) is None
