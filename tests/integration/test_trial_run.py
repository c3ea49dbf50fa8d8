"""`towline plan` and `towline preview` beside a running Towline."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.integration.cli_run import DEMO, MAIN, Run, running, towline
from tests.real.until import until
from towline.pipeline.encode import encode, template_of
from towline.record import Line, Origin, OriginType, time_text

OLD = (
    DEMO
    + """brokers: {home: {servers: ["mqtt://127.0.0.1:9"], username: me, password: !secret pass}}
backends: {elk: {type: mqtt, broker: home}, loki: {type: mqtt, broker: home}}
routes:
- {match: {service: api}, to: elk}
"""
)
NEW = OLD.replace("service: api", "regex: order").replace("50ms", "60ms")


def started(folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "secrets.yaml").write_text("pass: hunter2\n")
    return running(folder, OLD)


def plan(run: Run, text: str) -> tuple[int, dict[str, Any]]:
    file = run.folder / "wanted.yaml"
    file.write_text(text)
    found = run.ask("plan", str(file), "--format", "json")
    return found.returncode, json.loads(found.stdout)


def test_a_plan_is_what_a_reload_then_does(tmp_path: Path) -> None:
    with started(tmp_path) as run:
        assert plan(run, OLD)[0] == 0
        new = NEW.replace("loki:", "lake:").replace("username: me", "username: you")
        code, planned = plan(run, new)
        assert code == 2
        assert plan(run, OLD)[0] == 0, "a plan changes nothing"
        run.file.write_text(new)
        until(lambda: "backends.lake" in run.status()["components"])
        assert plan(run, new)[0] == 0
        history = run.data / "config-history"
        text = "".join(path.read_text() for path in history.rglob("*") if path.is_file())
        applied = next(
            each
            for each in map(json.loads, text.splitlines())
            if each.get("added") == ["backends.lake"]
        )
        for key in ("added", "removed", "kept"):
            assert applied[key] == planned[key]
        assert applied["changed"] == [each["key"] for each in planned["changed"]]


def test_a_plan_reads_the_text_with_the_secrets_of_the_place_and_shows_none(
    tmp_path: Path,
) -> None:
    with started(tmp_path) as run:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        wanted = elsewhere / "pi.yaml"
        wanted.write_text(OLD.replace("!secret pass", "other"))
        found = run.ask("plan", str(wanted))
        assert found.returncode == 2
        assert "~ brokers.home\n    password: a secret differs\n" in found.stdout
        assert "    is built again because brokers.home moves\n" in found.stdout
        assert "hunter2" not in found.stdout + found.stderr
        wanted.write_text(OLD)
        assert run.ask("plan", str(wanted)).returncode == 0
        wanted.write_text(OLD.replace("!secret pass", "!secret none"))
        faulty = run.ask("plan", str(wanted), "--format", "ci")
        assert faulty.returncode == 1
        assert faulty.stdout.startswith(f"::error file={wanted},line=")


def test_a_preview_counts_what_would_go_elsewhere(tmp_path: Path) -> None:
    with started(tmp_path) as run:
        until(lambda: len(run.records("api", "--grep", "order")) > 3, 30)
        file = tmp_path / "wanted.yaml"
        file.write_text(NEW)
        found = run.ask("preview", str(file), "--format", "json")
        assert found.returncode == 0, found.stderr
        answer = json.loads(found.stdout)
        stored = run.records("-n", "all")[: answer["records"]]
        assert answer["records"] > 20
        now = sum(1 for each in stored if each.get("serviceName") == "api")
        then = sum(1 for each in stored if "order" in each["message"])
        elk = answer["backends"]["elk"]
        assert (elk["now"], elk["then"]) == (now, then)
        assert answer["backends"]["loki"]["then"] == 0
        assert "order" in str(elk["gained"]["samples"] or "order")
        assert all("order" not in each["message"] for each in elk["lost"]["samples"])
        table = run.ask("preview", str(file), "--last", "10m", "--limit", "10")
        assert table.stdout.startswith("10 records from ")
        data = run.ask("preview", str(file), "--data", str(run.data), "--format", "json")
        assert json.loads(data.stdout)["backends"]["elk"]["now"] >= now


def test_a_preview_of_many_records_needs_little_memory(tmp_path: Path) -> None:
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    origin = Origin(type=OriginType.CONTAINER, name="web", device="pi", service="api")
    for start in range(0, 100_000, 10_000):
        at = replace(origin, container=f"web-{start}")
        lines = [
            Line(f'"GET /order/{n}" 200', time_text(n * 10**6), n, level="info")
            for n in range(start, start + 10_000)
        ]
        rows = b"".join(each.json + b"\n" for each in encode(template_of(at), lines, start))
        (logs / f"2026-01-01T00-00-00.000Z-{start:016x}.ndjson").write_bytes(rows)
    (tmp_path / "secrets.yaml").write_text("pass: x\n")
    (tmp_path / "wanted.yaml").write_text(NEW)
    arguments = ["preview", "wanted.yaml", "--data", "data", "--last", "9999w", "--format", "json"]
    small, _ = measured(tmp_path, *arguments, "--limit", "5000")
    large, answer = measured(tmp_path, *arguments)
    assert answer["records"] == answer["backends"]["elk"]["then"] == 100_000
    assert large - small < 16_000


def measured(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The most memory (KB) that a command needed, and what it said."""
    code = (
        f"import resource, sys\nsys.argv[1:] = {list(arguments)}\n"
        f"try:\n    {MAIN.replace('; ', chr(10) + '    ')}\n"
        "finally:\n    sys.stdout.flush()\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1]), json.loads(done.stdout)


def test_a_preview_of_a_stopped_towline_reads_its_folder(tmp_path: Path) -> None:
    with started(tmp_path) as run:
        until(lambda: len(run.records("api")) > 3, 30)
    file = tmp_path / "wanted.yaml"
    file.write_text(NEW)
    found = towline("preview", str(file), "--data", str(run.data), "--format", "json")
    answer = json.loads(found.stdout)
    assert answer["backends"]["elk"]["now"] > 3
    (tmp_path / "secrets.yaml").write_text("other: x\n")
    file.write_text(NEW.replace("!secret pass", "x"))
    found = towline("preview", str(file), "--data", str(run.data), "--format", "json")
    assert json.loads(found.stdout)["backends"]["elk"]["now"] is None
