"""`towline logs`, `tail` and `status` against a real `towline run`."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.integration.cli_run import DEMO, MAIN, Run, rows, running, tail_of, towline
from tests.real.broker import free_port
from tests.real.until import until
from towline import open_store


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One Towline with some records that tests share: they only read."""
    with running(tmp_path_factory.mktemp("run")) as shared:
        until(lambda: len(shared.records("--level", "error", "-n", "20")) > 5, 30)
        yield shared


def test_logs_shows_the_newest_last(run: Run) -> None:
    found = run.ask("logs", "-n", "20")
    begin = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (debug|info |warn |error) \S+"
    lines = found.stdout.splitlines()
    firsts = [line for line in lines if re.match(begin, line)]  # a message may have several lines
    assert len(firsts) == 20
    assert lines[0] == firsts[0]
    ids = [record["id"] for record in run.records("-n", "20")]
    assert ids == sorted(ids)  # not so their times: a trace is joined, and stored, later
    assert "\x1b" not in found.stdout
    assert found.stderr == ""


def test_logs_finds_by_container_service_level_and_pattern(run: Run) -> None:
    both = run.records("web", "demo-api", "-n", "200")
    assert {each["serviceName"] for each in both} == {"web", "api"}
    assert {each["level"] for each in run.records("--level", "error")} == {"error"}
    assert {each["level"] for each in run.records("--min-level", "warn")} <= {"warn", "error"}
    found = run.records("demo-*", "--grep", "^order (stored|x)$", "--since", "1h")
    assert {each["message"] for each in found} == {"order stored"}
    assert all("picture" in each["message"] for each in run.records("--text", "picture"))
    assert run.records("--until", "2001-01-01") == []


def test_since_shows_everything_and_else_the_newest_hundred(run: Run) -> None:
    until(lambda: len(run.records("--since", "1h")) > 110)
    assert len(run.records()) == 100
    assert len(run.records("--since", "1h", "-n", "7")) == 7
    assert len(run.records("-n", "all", "--until", "0ms")) >= 110


def test_logs_says_when_nothing_matches(run: Run) -> None:
    found = run.ask("logs", "--text", "never said")
    assert (found.returncode, found.stdout) == (0, "")
    assert found.stderr == "towline: no record matches\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "soon"], "--since: milliseconds, RFC 3339 or a duration such as 1h"),
        (["--grep", "(x"], "--grep: not a pattern RE2 understands: missing ): (x"),
    ],
)
@pytest.mark.parametrize("command", ["logs", "tail"])
def test_what_the_api_refuses_is_told_of_the_option(
    run: Run, command: str, arguments: list[str], said: str
) -> None:
    found = run.ask(command, *arguments)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == f"towline: {said}\n"


def test_a_reader_that_has_enough_is_no_fault(run: Run, tmp_path: Path) -> None:
    script = 'exec 2>"$1"; shift; "$@" | head -n 1'
    log = tmp_path / "err"
    process = tail_of(run, tmp_path / "out")
    process.stop()
    shell = ["sh", "-c", script, "sh", str(log), *process.command[4:]]

    done = subprocess.run(
        shell, env={"TOWLINE_URL": run.url}, capture_output=True, text=True, check=True, timeout=30
    )
    assert len(done.stdout.splitlines()) == 1
    assert log.read_text() == ""


def test_status_is_a_table_and_everything_is_up(run: Run) -> None:
    found = run.ask("status")
    assert found.returncode == 0
    assert found.stdout.startswith("Towline 0.1.0 on Living room Pi (pi)\n\ncomponent ")
    assert re.search(r"^sources\.demo +up ", found.stdout, re.MULTILINE)
    assert found.stdout.endswith("\neverything is up\n")
    assert run.status()["components"]["store"]["state"] == "up"


def test_status_tells_what_is_degraded_and_ends_with_one(tmp_path: Path) -> None:
    backend = "backends: {mqtt: {type: mqtt, broker: home}}\n"
    broker = f'brokers: {{home: {{servers: ["mqtt://127.0.0.1:{free_port()}"]}}}}\n'
    with running(tmp_path, DEMO + broker + backend) as run:
        until(lambda: run.status()["components"]["brokers.home"]["state"] == "degraded")
        found = run.ask("status")
        assert found.returncode == 1
        assert "brokers.home" in found.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", ["status", "logs", "tail"])
def test_no_towline_is_said_in_one_line(command: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = towline(command, "--url", url)
    said = f"no Towline answers at {url}: connection refused; is it running? (towline run)"
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == f"towline: {said}\n"


class Stranger(BaseHTTPRequestHandler):
    """Some other web server."""

    answer: ClassVar[bytes] = b"<html>It works!</html>"
    code: ClassVar[int] = 200

    def _say(self) -> None:
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_GET = do_POST = _say  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def stranger(code: int) -> Iterator[str]:
    kind = type("Kind", (Stranger,), {"code": code})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", ["status", "tail"])
@pytest.mark.parametrize("code", [200, 404, 502])
def test_another_server_is_not_taken_for_a_towline(command: str, code: int) -> None:
    with stranger(code) as url:
        found = towline(command, "--url", url)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"towline: something else than Towline answers at {url} (")
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "tail"])
def test_a_port_that_speaks_no_http_is_said_in_words(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=_greet, args=(server,))
        thread.start()
        found = towline(command, "--url", f"http://127.0.0.1:{port}")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1, found.stderr


def _greet(server: socket.socket) -> None:
    with suppress(OSError):  # it was shut down
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail ready\r\n")


def test_a_towline_that_wants_a_token_says_so_and_takes_it(tmp_path: Path) -> None:
    hash_ = hashlib.sha256(b"sesame").hexdigest()
    api = f'api: {{tokens: [{{name: me, hash: "{hash_}"}}]}}\n'
    with running(tmp_path, DEMO + api) as run:
        port = run.listen.partition(":")[2]
        for command in ("logs", "tail", "status"):
            wrong = run.ask(command, "--token", "other")
            assert wrong.returncode == 1
            assert "; give it with --token or TOWLINE_TOKEN" in wrong.stderr
            assert len(wrong.stderr.splitlines()) == 1
        assert run.ask("status", TOWLINE_TOKEN="sesame").returncode == 0
        assert towline("logs", "--url", f"localhost:{port}", "--token", "sesame").returncode == 0


async def test_what_does_not_fit_on_a_page_is_shown_in_order_all_the_same(tmp_path: Path) -> None:
    async with open_store(tmp_path / "data") as log:
        for number in range(25_000):
            log.system(f"row {number}")
    with running(tmp_path, "version: 1\nsources: {}\n") as run:
        for count in ("24000", "all"):
            found = [each["message"] for each in run.records("-n", count, "--text", "row ")]
            least = 1000 if count == "24000" else 0
            assert found == [f"row {number}" for number in range(least, 25_000)]


@pytest.mark.parametrize(("variable", "coloured"), [("LANG", True), ("NO_COLOR", False)])
def test_colours_are_for_terminals_whose_owner_wants_them(
    run: Run, variable: str, coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    environment = {"TOWLINE_URL": run.url, "TERM": "xterm", variable: "C"}
    command = [sys.executable, "-c", MAIN, "logs", "-n", "1"]
    with os.fdopen(theirs) as terminal:
        subprocess.run(command, stdout=terminal, env=environment, check=True, timeout=30)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert (b"\x1b[" in shown) == coloured


def test_tail_shows_the_last_and_goes_on_until_interrupted(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "tail"
    process = tail_of(run, log, "-n", "5", "web", "--grep", "GET")
    until(lambda: len(rows(log)) > 8, 30)
    process.signal(signal.SIGINT)
    until(lambda: not process.running)
    assert process.exit_code == 0
    assert Path(f"{log}.err").read_text() == ""
    found = rows(log)
    assert {each["serviceName"] for each in found} == {"web"}
    stored = [each["id"] for each in run.records("web", "--grep", "GET", "-n", "all")]
    begin = stored.index(found[0]["id"])
    assert [each["id"] for each in found] == stored[begin : begin + len(found)]


def test_stored_and_live_records_meet_without_a_hole_or_a_repeat(tmp_path: Path) -> None:
    with running(tmp_path / "run", DEMO.replace("50ms", "1ms")) as run:
        until(lambda: len(run.records("--since", "1h")) > 1000, 60)
        log = tmp_path / "tail"
        process = tail_of(run, log, "-n", "all")
        until(lambda: len(rows(log)) > 3000, 60, pause=0.2)
        process.signal(signal.SIGINT)
        until(lambda: not process.running)
        found = [each["id"] for each in rows(log)]
        assert found == [each["id"] for each in run.records("-n", "all")][: len(found)]


def test_tail_comes_back_after_a_kill_with_every_record_once(tmp_path: Path) -> None:
    with running(tmp_path / "run") as run:
        log = tmp_path / "tail"
        process = tail_of(run, log, "-n", "3")
        for _ in range(2):
            seen = len(rows(log))
            until(lambda: len(rows(log)) > seen + 20, 30)  # noqa: B023
            run.process.kill()
            run.start()
        seen = len(rows(log))
        until(lambda: len(rows(log)) > seen + 20, 30)
        process.signal(signal.SIGINT)
        until(lambda: not process.running)
        found = [each["id"] for each in rows(log)]
        stored = [each["id"] for each in run.records("-n", "all")]
        begin = stored.index(found[0])
        assert found == stored[begin : begin + len(found)]
        said = Path(f"{log}.err").read_text().splitlines()
        assert [line.split(" (")[0] for line in said] == 2 * [
            f"towline: the connection to {run.url} is lost",
            f"towline: connected to {run.url} again",
        ]
