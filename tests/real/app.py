"""The image of the app: really built, and run as Supervisor would, in a network like its own.

The base is this Debian, made by debootstrap: no image is pulled. It and the layers are kept below
the folder given, so that a second run takes seconds.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.real.broker import Broker
from tests.real.engine import Engine
from tests.real.image import IMAGE
from tests.real.listener import Listener
from tests.real.namespace import Namespace
from tests.real.packages import mirror
from tests.real.process import NotStarted
from tests.real.supervisor import TOKEN, Supervisor
from tests.real.until import until

ROOT = Path(__file__).parents[2]
BASE, BUILD, APP = "towline-base:bookworm", "towline-app:build", "towline-app:test"
AUTHORITIES = ("usr/local/share/ca-certificates", "etc/ssl/certs/ca-certificates.crt")
SUPERVISOR, OURS, OTHER = "172.30.32.2", "172.30.33.5", "172.30.33.9"
"""Addresses as in Supervisor's network: its own, this app's, another app's."""

PORT, MQTT = 8099, 1883


def build(engine: Engine, folder: Path) -> None:
    """The app's image, built from this checkout as its Dockerfile says; what it replaces goes."""
    _base(engine, folder)
    common = ["build", "--quiet", "--network=host", f"--build-arg=BASE={BASE}"]
    common += ["--build-arg=BUILD_VERSION=test", "--file=addon/Dockerfile"]
    # a name for the first stage: what has none is tidied up, and would be built anew every time
    for options in (["--target=build", f"--tag={BUILD}"], [f"--tag={APP}"]):
        docker(engine, *common, *options, str(ROOT), cwd=ROOT)
    docker(engine, "image", "prune", "--force")


def _base(engine: Engine, folder: Path) -> None:
    if docker(engine, "image", "ls", "--quiet", BASE):
        return
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise NotStarted("the base of the image needs root and debootstrap")
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    options = ["--variant=minbase", "--include=ca-certificates"]
    log = folder / "debootstrap.log"
    with log.open("wb") as output:
        command = ["debootstrap", *options, "bookworm", str(root), mirror()]
        made = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        raise NotStarted(f"debootstrap failed:\n{log.read_text(errors='replace')[-2000:]}")
    # behind a proxy with an authority of its own, packages are fetched with that one
    for place in AUTHORITIES:
        here, there = Path("/") / place, root / place
        if here.is_dir():
            shutil.copytree(here, there, dirs_exist_ok=True)
        elif here.exists():
            shutil.copyfile(here, there)
    _import(engine, root)
    shutil.rmtree(root)


def _import(engine: Engine, root: Path) -> None:
    command = ["docker", "-H", engine.host, "import", "-", BASE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as importing:
        assert importing.stdin is not None
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            archive.add(root, ".", filter=_needed)
        importing.stdin.close()
    if importing.returncode:
        raise NotStarted("the base cannot be imported")


def _needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.startswith("./var/cache/apt/archives/") else member


def docker(engine: Engine, *words: str, cwd: Path | None = None) -> str:
    """What a docker command prints; `NotStarted` with its complaint when it fails."""
    command = ["docker", "-H", engine.host, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise NotStarted(f"docker {words[0]}: {done.stderr[-3000:]}")
    return done.stdout.strip()


def _get(path: str, source: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(OURS, PORT, timeout=10, source_address=(source, 0))
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


class Site:
    """A machine with Supervisor, a broker app, and the app under test, in a network of their own.

    `data` and `config` are the app's folders. `supervisor` may be changed at any time.
    """

    def __init__(self, engine: Engine, folder: Path, **options: Any) -> None:
        self.engine = engine
        self.data, self.config = folder / "data", folder / "config"
        for each in (self.data, self.config):
            each.mkdir(parents=True)
        (self.data / "options.json").write_text(json.dumps(options))
        self.supervisor = Supervisor((SUPERVISOR, 80))
        self.broker = Broker(folder / "broker", users={"addons": "first"}, port=MQTT)
        self.name = ""

    def __enter__(self) -> Self:
        names = (f"supervisor:{SUPERVISOR}", "core-mosquitto:127.0.0.1")
        hosts = [f"--add-host={each}" for each in names]
        network = ["--network=none", "--cap-add=NET_ADMIN", *hosts]
        self._ground = docker(self.engine, "run", "-d", *network, IMAGE, "sleep", "3600")
        for address in (SUPERVISOR, OURS, OTHER):
            adding = ("ip", "addr", "add", f"{address}/32", "dev", "lo")
            docker(self.engine, "exec", self._ground, *adding)
        pid = docker(self.engine, "inspect", "--format={{.State.Pid}}", self._ground)
        self.network = Namespace(int(pid))
        self.network.run(self.broker.start)
        self.network.run(self.supervisor.__enter__)
        return self

    def __exit__(self, *exc: object) -> None:
        self.supervisor.__exit__()
        self.broker.stop()
        self.network.__exit__()
        for name in filter(None, (self.name, self._ground)):
            docker(self.engine, "rm", "--force", "--volumes", name)

    def start(self, *mounts: str) -> None:
        """Run the app as Supervisor does: folders, token, the journal read-only, an init."""
        given = [f"--env=SUPERVISOR_TOKEN={TOKEN}", "--env=TZ=Europe/Berlin"]
        # docker would make a folder that is missing, and journald would then write there
        places = ("/run/log/journal", "/var/log/journal")
        journal = [f"{place}:{place}:ro" for place in places if Path(place).is_dir()]
        folders = [f"{self.data}:/data", f"{self.config}:/config", *journal, *mounts]
        volumes = [f"--volume={each}" for each in folders]
        # its own check, more often than the image says: a test does not wait for half a minute
        options = ["--init", f"--network=container:{self._ground}", "--health-interval=1s"]
        self.name = docker(self.engine, "run", "-d", *options, *given, *volumes, APP)

    def log(self) -> str:
        """What the app printed."""
        command = ["docker", "-H", self.engine.host, "logs", self.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def state(self, form: str = "{{.State.Status}}") -> str:
        """How its container is."""
        return docker(self.engine, "inspect", f"--format={form}", self.name)

    def inside(self, *words: str) -> str:
        """What a command in the app's container prints."""
        return docker(self.engine, "exec", self.name, *words)

    def stop(self, grace: int = 10) -> int:
        """End it as Supervisor does; its exit code (137: it was killed)."""
        docker(self.engine, "stop", "--time", str(grace), self.name)
        return int(self.state("{{.State.ExitCode}}"))

    @contextmanager
    def listen(self, topic: str) -> Iterator[Listener]:
        """A subscriber at the broker."""
        listener = self.broker.listen(topic)
        self.network.run(listener.__enter__)
        try:
            yield listener
        finally:
            listener.__exit__()

    def up(self) -> None:
        """Wait until it serves."""
        until(lambda: self.get("/api/v1/health", OURS)[0] == 200, 60, "the app")

    def get(self, path: str, source: str, **headers: str) -> tuple[int, bytes]:
        """Ask the app from an address: status and body, 0 where nobody answers."""
        return self.network.run(_get, path, source, headers)
