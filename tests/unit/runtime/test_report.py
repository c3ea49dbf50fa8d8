from __future__ import annotations

from towline.runtime.report import report

OWN = {"device": {"id": "pi", "name": "Pi"}, "state": "degraded"}


def test_services_are_told_by_app() -> None:
    rows: list[dict[str, object]] = [
        {"name": "shop-web-1", "serviceName": "web", "project": "shop", "state": "running"},
        {"name": "one", "app": "7", "project": "x", "state": "exited", "exitCode": 3},
        {"name": "alone"},
    ]
    found = report(OWN, rows)
    assert found["status"] == "Degraded"
    assert found["apps"].keys() == {"shop", "7", "containers"}
    assert found["apps"]["shop"]["services"]["web"]["status"] == "Running"
    assert found["apps"]["7"]["services"]["one"]["exit_code"] == 3
    assert found["apps"]["containers"]["services"]["alone"]["status"] == "Unknown"
