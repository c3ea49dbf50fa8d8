"""`towline run` as a person starts, reloads and stops it."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

from tests.integration.cli_run import DEMO, Run, rows, running, tail_of, towline
from tests.real.until import until

BROKEN = "version: 1\nsources: {demo: {type: demo, intervall: 50ms}}\n"


def ended(run: Run) -> str:
    """What a Towline that cannot start says."""
    run.process.start()
    until(lambda: not run.process.running, 30)
    assert run.process.exit_code == 1
    return run.said


def configuration(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.status()["components"]["configuration"]
    return found


def files_of(run: Run) -> str:
    """Everything in its files."""
    return "".join(file.read_text() for file in sorted((run.data / "logs").glob("*.ndjson")))


def messages(run: Run, *arguments: str) -> list[str]:
    return [each["message"] for each in run.records("-n", "all", *arguments)]


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    run = Run(tmp_path)
    host, _, port = run.listen.partition(":")
    with socket.create_server((host, int(port))):
        said = ended(run)
    assert said == f"towline: api: {run.listen} is taken\n"


def test_a_data_folder_in_use_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with running(tmp_path / "first") as first:
        second = Run(tmp_path / "second")
        second.data = first.data
        second.process.command = tuple(second.command())
        said = ended(second)
    assert said == f"towline: another Towline uses the data folder {first.data}\n"


def test_a_data_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said = ended(Run(tmp_path))
    assert said == f"towline: cannot use the data folder {tmp_path}/data: File exists\n"


def test_a_crash_leaves_no_image_of_the_secrets_in_memory(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        limits = Path(f"/proc/{run.process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)


def test_a_wrong_option_is_told_of_the_option(tmp_path: Path) -> None:
    found = towline("run", "--listen", "nowhere", folder=tmp_path)
    assert found.returncode == 1
    assert found.stderr.startswith("--listen: expected ")
    assert "Traceback" not in found.stderr


def test_an_unknown_file_leaves_the_page_to_say_so(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.file.unlink()
    try:
        run.start()
        until(lambda: configuration(run)["state"] == "degraded")
        assert "there is no such file" in configuration(run)["reason"]
        assert run.ask("status").returncode == 1
    finally:
        run.process.stop()


def test_a_broken_file_without_a_good_one_before_still_brings_up_the_api(tmp_path: Path) -> None:
    with running(tmp_path, BROKEN) as run:
        until(lambda: configuration(run)["state"] == "degraded")
        found = run.ask("status")
        assert found.returncode == 1
        assert f"configuration refused: {run.file}:2:30: " in found.stdout
        assert "sources.demo" not in found.stdout
        assert any("configuration refused" in text for text in messages(run, "--level", "error"))


def test_a_broken_file_runs_the_last_good_one_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        until(lambda: (run.data / "last-good.yaml").exists())
        run.process.stop()
        run.file.write_text(BROKEN)
        run.start()
        until(lambda: configuration(run)["state"] == "degraded")
        status = run.status()
        assert status["components"]["sources.demo"]["state"] == "up"
        assert f"{run.file}:2:30" in status["components"]["configuration"]["reason"]


def test_a_hang_up_brings_an_edited_file_into_force(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.file.write_text(BROKEN)
        run.process.signal(signal.SIGHUP)
        until(lambda: configuration(run)["state"] == "degraded")
        assert run.status()["components"]["sources.demo"]["state"] == "up"
        run.file.write_text(DEMO.replace("demo:", "other:", 1))
        run.process.signal(signal.SIGHUP)
        until(lambda: "sources.other" in run.status()["components"])
        until(lambda: run.ask("status").returncode == 0)
        applied = "configuration applied: added sources.other; removed sources.demo"
        assert applied in messages(run, "--level", "info", "towline")


def test_stopping_is_quick_and_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "run") as run:
        log = tmp_path / "tail"
        process = tail_of(run, log, "-n", "all")
        until(lambda: len(rows(log)) > 50, 30)
        run.process.signal(signal.SIGTERM)
        until(lambda: not run.process.running, 5)
        assert run.process.exit_code == 0
        process.stop()
        stored = [json.loads(row)["id"] for row in files_of(run).splitlines()]
        shown = [each["id"] for each in rows(log)]
        assert shown == stored[: len(shown)]
        assert '"message":"Towline stops"' in files_of(run)


def test_warnings_of_its_own_are_in_the_store_too(tmp_path: Path) -> None:
    broker = 'brokers: {home: {servers: ["mqtt://127.0.0.1:9"]}}\n'
    backend = "backends: {mqtt: {type: mqtt, broker: home}}\n"
    with running(tmp_path, DEMO + broker + backend) as run:
        until(lambda: messages(run, "--level", "warn", "towline"))
        said = [each for each in run.records("--level", "warn", "towline") if each["isSystem"]]
        assert said
        assert said[0]["source"] == {"type": "system", "name": "towline"}


def test_it_says_what_it_started_with(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        line = run.said.splitlines()[0]
        assert re.search(r"INFO +Towline started version=\S+ config=\S+towline.yaml", line)
        assert f"api={run.url}" in line


def test_its_own_log_can_be_json(tmp_path: Path) -> None:
    with running(tmp_path, TOWLINE_LOG_FORMAT="json") as run:
        found = json.loads(run.said.splitlines()[0])
        assert (found["message"], found["api"]) == ("Towline started", run.url)
