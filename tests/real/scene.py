"""`./dev run`: Towline amid real containers and a broker; the machine's own where it has them."""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.real import invitation, machine, packages
from tests.real.broker import Broker
from tests.real.demos import Demos
from tests.real.engine import Engine
from tests.real.environment import RUN, Environment
from tests.real.process import NotStarted, Process
from tests.real.stops import Stopped, Stops
from tests.real.until import until
from tests.real.work import Failed, say

CONFIG_HEAD = """\
# Written anew by every ./dev run. What is not said here comes from the environment (DOCKER_HOST,
# MQTT_BROKER) and from the defaults. Edit it while Towline runs: it is checked and applied.
version: 1
"""

OWN_BROKER = 1884
"""The port of a broker of its own, or one of those after it."""

PATIENCE = 60
"""Seconds until Towline must answer."""


class Scene:
    """What one `./dev run` uses and what it starts; the latter ends with it, in reverse order."""

    def __init__(self, root: Path, arguments: Sequence[str], stops: Stops) -> None:
        self._options, self._rest = _parser().parse_known_args(arguments)
        data = self._options.data or os.environ.get("TOWLINE_DATA") or root / "data"
        self._root = root
        self._data = Path(data).absolute()
        self._folder = self._data / "workshop"
        self._logs = self._folder / "logs"
        self._environment = Environment(root, self._logs)
        self._stops = stops
        self._env: dict[str, str] = {}
        self._config = self._options.config or os.environ.get("TOWLINE_CONFIG", "")
        self._broker = ""
        self._listen = ""
        self._invited = False

    def run(self) -> int:
        """Set up, start, wait for Ctrl-C (or Towline's end), clean up; the exit code."""
        with machine.alone(self._folder, "./dev run"), ExitStack() as started:
            try:
                self._choose_address()
                self._set_up()
                self._start_engine(started)
                self._start_broker(started)
                return self._run_towline(started)
            except Stopped as stop:
                return 0 if self._invited else 128 + stop.number
            finally:
                self._stops.close_ears()

    def _choose_address(self) -> None:
        given = self._options.listen or os.environ.get("TOWLINE_LISTEN", "")
        # Without --listen, a configuration of the user's says where the page is.
        if given or not self._config:
            self._listen = machine.listen_address(given)
        if not self._config:
            self._write_config("")

    def _set_up(self) -> None:
        tools = list(packages.CLIENTS)
        if not machine.broker(os.environ):
            tools += packages.BROKER
        if not machine.engine(os.environ) and os.geteuid() == 0:
            tools += [*packages.ENGINE, *packages.IMAGE]
        venv = [] if self._environment.ready(RUN) else packages.venv_missing()
        try:
            packages.install([*packages.missing(tools), *venv], self._logs)
        except Failed as exc:
            say(f"{exc}\n· going on with what there is")
        self._environment.install(RUN)

    def _start_engine(self, started: ExitStack) -> None:
        if host := machine.engine(os.environ):
            say(f"using the Docker Engine at {host}")
            if machine.engine_answers(host):
                self._start_demos(host, started)
            else:
                say("it does not answer yet; Towline keeps trying (no demo containers)")
        else:
            host = self._own_engine(started)
            if not host or not self._start_demos(host, started):
                self._use_demo_source()
        self._env["DOCKER_HOST"] = host

    def _own_engine(self, started: ExitStack) -> str:
        engine = Engine(self._folder / "engine")
        engine.log.unlink(missing_ok=True)
        started.callback(_stop, "the Docker Engine", engine)
        try:
            if os.geteuid() != 0:
                raise NotStarted("a Docker Engine of its own needs root")
            engine.start()
        except NotStarted as exc:
            say(f"no Docker Engine: {str(exc).splitlines()[-1]}")
            say(f"(its log: {engine.log})")
            return ""
        say(f"started a Docker Engine of its own ({engine.host})")
        return engine.host

    def _use_demo_source(self) -> None:
        if self._options.config or os.environ.get("TOWLINE_CONFIG"):
            say(f"no demo either: {self._config} says what is collected")
            return
        say("small child processes log instead of containers (source kind `demo`)")
        self._write_config("sources: {demo: {type: demo}}\n")

    def _write_config(self, sources: str) -> None:
        # Never the file that happens to lie in the current folder: that names other sources.
        path = self._folder / "towline.yaml"
        path.write_text(f"{CONFIG_HEAD}{sources}")
        self._config = str(path)

    def _start_demos(self, host: str, started: ExitStack) -> bool:
        if shutil.which("docker") is None or shutil.which("busybox") is None:
            say("no demo containers: they need the commands docker and busybox")
            return False
        demos = Demos(host, str(self._folder))
        started.callback(demos.remove)
        try:
            count = sum(1 for _ in demos.start())
        except subprocess.CalledProcessError as exc:
            say(f"no demo containers: {exc.stderr.decode(errors='replace').strip()}")
            return False
        say(f"started {count} demo containers")
        return True

    def _start_broker(self, started: ExitStack) -> None:
        self._broker = machine.broker(os.environ)
        if self._broker:
            say(f"using the broker at {self._broker}")
        else:
            self._own_broker(started)
        if self._broker:
            self._env["MQTT_BROKER"] = self._broker

    def _own_broker(self, started: ExitStack) -> None:
        port = next(filter(machine.is_free_here, range(OWN_BROKER, OWN_BROKER + 100)), 0)
        broker = Broker(self._folder / "broker", port=port)
        started.callback(_stop, "the broker", broker)
        try:
            broker.start()
        except NotStarted as exc:
            say(f"no broker: {exc}")
            return
        say(f"started a broker of its own ({broker.url})")
        self._broker = broker.url

    def _run_towline(self, started: ExitStack) -> int:
        command = [self._environment.program("towline"), "run", *self._arguments()]
        towline = Process(command, None, env=self._env)
        started.callback(self._stop_towline, towline)
        towline.start()
        if self._listen:
            self._wait_until_up(towline)
        self._invite()
        until(lambda: towline.exit_code is not None, float("inf"), pause=0.2)
        say(f"Towline ended by itself (exit code {towline.exit_code})")
        return towline.exit_code or 0

    def _arguments(self) -> list[str]:
        given = {"--data": str(self._data), "--listen": self._listen, "--config": self._config}
        options = [word for pair in given.items() if pair[1] for word in pair]
        return [*options, *self._rest]

    def _wait_until_up(self, towline: Process) -> None:
        url = f"{invitation.page_url(self._listen)}/api/v1/health"
        try:
            until(lambda: _serves(url) or towline.exit_code is not None, PATIENCE, pause=0.05)
        except TimeoutError:
            raise Failed(f"Towline does not answer at {url}") from None
        if towline.exit_code is not None:
            raise Failed(f"Towline did not start (exit code {towline.exit_code})")

    def _invite(self) -> None:
        lines = [f"files   {self._data / 'logs'}", f"config  {self._config}"]
        if self._broker:
            lines.insert(0, f"MQTT    {invitation.mosquitto_line(self._broker, os.environ)}")
        if self._listen:
            lines.insert(0, f"API     {invitation.curl_line(self._listen)}")
            lines.insert(0, f"page    {invitation.page_url(self._listen)}/")
        text = "".join(f"    {line}\n" for line in lines)
        print(f"\n  Towline is up. Ctrl-C stops it.\n\n{text}", flush=True)
        self._invited = True

    def _stop_towline(self, towline: Process) -> None:
        if not towline.running:
            return
        print(flush=True)
        say("stopping Towline")
        towline.signal(signal.SIGTERM)
        try:
            until(lambda: not towline.running or self._stops.hurry, 20)
        except TimeoutError:
            say("it does not end; killing it")
        if towline.running:
            towline.kill()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev run", add_help=False, allow_abbrev=False)
    for option in ("--listen", "--data", "--config"):
        parser.add_argument(option, default="")
    return parser


def _stop(what: str, part: Engine | Broker) -> None:
    if part.running:
        say(f"stopping {what}")
    part.stop()


def _serves(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as exc:
        # It may ask for a token where it listens beyond loopback; it is up all the same.
        return exc.code < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
