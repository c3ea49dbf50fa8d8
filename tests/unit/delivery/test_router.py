from __future__ import annotations

import pytest

from tests.unit.delivery.rig import API, WEB, append
from towline.config.settings import Match, Route
from towline.config.settings import Store as StoreSettings
from towline.delivery.router import Router
from towline.errors import QueryError
from towline.record import Origin, Record
from towline.store.log import Store


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(StoreSettings(path=tmp_path_factory.mktemp("data"), persist=False))


def record(store: Store, text: str, origin: Origin = WEB, level: str = "info") -> Record:
    return append(store, text, origin=origin, level=level)[0]


def route(to: str, *, final: bool = False, **match: object) -> Route:
    return Route(match=Match(**match), to=tuple(to.split()), final=final)  # type: ignore[arg-type]


def test_without_routes_every_backend_gets_every_record(store: Store) -> None:
    assert Router().wants("anything", record(store, "x"))


def test_with_routes_only_what_matches_goes(store: Store) -> None:
    router = Router([route("loki", service=("web",))])
    assert router.wants("loki", record(store, "x"))
    assert not router.wants("loki", record(store, "x", API))
    assert not router.wants("mqtt", record(store, "x"))


def test_a_record_goes_wherever_any_route_sends_it(store: Store) -> None:
    router = Router([route("loki", service=("web",)), route("mqtt siem", level=("error",))])
    error = record(store, "x", level="error")
    assert [router.wants(name, error) for name in ("loki", "mqtt", "siem")] == [True] * 3
    assert not router.wants("mqtt", record(store, "x"))


def test_a_final_route_ends_the_search_only_for_what_it_matches(store: Store) -> None:
    router = Router(
        [route("elk", regex="payment", final=True), route("mqtt", service=("web", "api"))]
    )
    paid, other = record(store, "payment failed"), record(store, "hello")
    assert [router.wants(name, paid) for name in ("elk", "mqtt")] == [True, False]
    assert [router.wants(name, other) for name in ("elk", "mqtt")] == [False, True]


def test_a_final_route_that_an_origin_decides_ends_the_search(store: Store) -> None:
    router = Router([route("elk", service=("web",), final=True), route("mqtt")])
    assert not router.wants("mqtt", record(store, "x"))
    assert router.wants("mqtt", record(store, "x", API))


def test_order_is_kept_among_the_wanted(store: Store) -> None:
    records = [
        record(store, str(n), (WEB, API)[n % 2], ("info", "error")[n % 3 == 0]) for n in range(12)
    ]
    router = Router([route("mqtt", level=("error",)), route("mqtt", service=("api",))])
    assert [r.message for r in router.wanted("mqtt", records)] == [
        "0", "1", "3", "5", "6", "7", "9", "11",
    ]  # fmt: skip


def test_routes_replaced_hold_from_the_next_record_on(store: Store) -> None:
    router = Router([route("mqtt", service=("api",))])
    one = record(store, "x")
    assert not router.wants("mqtt", one)
    router.replace([route("mqtt", service=("web",))])
    assert router.wants("mqtt", one)
    router.replace([])
    assert router.wants("loki", one)


def test_routes_that_cannot_be_compiled_leave_the_old_ones(store: Store) -> None:
    router = Router([route("mqtt", service=("web",))])
    with pytest.raises(QueryError):
        router.replace([route("loki", regex="(")])
    assert router.wants("mqtt", record(store, "x"))


def test_destinations_are_those_that_want_the_record(store: Store) -> None:
    routes = [
        route("elk", regex="payment", final=True),
        route("mqtt elk", service=("web",)),
        route("loki", level=("error",)),
    ]
    names = ("elk", "loki", "mqtt")
    for router in (Router(routes), Router()):
        for each in (
            record(store, "payment"),
            record(store, "x", level="error"),
            record(store, "x", API, level="error"),
            record(store, "x", API),
        ):
            wanting = tuple(name for name in names if router.wants(name, each))
            assert router.destinations(each, names) == wanting


def test_other_routes_lead_elsewhere_at_once(store: Store) -> None:
    router = Router([route("loki")])
    first = record(store, "x")
    assert router.destinations(first, ["loki", "mqtt"]) == ("loki",)
    router.replace([route("mqtt")])
    assert router.destinations(first, ["loki", "mqtt"]) == ("mqtt",)
