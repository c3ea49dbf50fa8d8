from __future__ import annotations

from towline.runtime.diff import Spec, diff


def of(*specs: Spec) -> dict[str, Spec]:
    return {spec.key: spec for spec in specs}


A1 = Spec(key="a", config=1)
A2 = Spec(key="a", config=2)
B = Spec(key="b", config=1, needs=frozenset({"a"}))
C = Spec(key="c", config=1, needs=frozenset({"b"}))


def test_equal_specs_change_nothing() -> None:
    plan = diff(of(A1, B), of(Spec(key="a", config=1), B))
    assert not plan
    assert plan.kept == {"a", "b"}


def test_what_leans_on_a_changed_component_changes_with_it_however_far() -> None:
    assert diff(of(A1, B, C), of(A2, B, C)).changed == {"a", "b", "c"}


def test_what_leans_on_a_component_that_appears_is_rebuilt() -> None:
    plan = diff(of(B), of(A1, B))
    assert plan.added == {"a"}
    assert plan.changed == {"b"}


def test_claims_alone_are_no_change() -> None:
    assert not diff(of(A1), of(Spec(key="a", config=1, claims=frozenset({"port 1"}))))


def test_removed_and_added_are_told_apart() -> None:
    plan = diff(of(A1), of(Spec(key="d", config=1)))
    assert plan.added == {"d"}
    assert plan.removed == {"a"}
    assert not plan.changed
