"""A real Home Assistant on loopback, onboarded, with its MQTT integration on a broker of ours.

It needs a newer Python than this machine's, so it lives in a root filesystem of its own, made once
by debootstrap; no name resolves in there, so nothing leaves the machine while it runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx
from websockets.asyncio.client import connect

from tests.real.broker import free_port
from tests.real.packages import mirror
from tests.real.process import NotStarted, Process
from tests.real.until import auntil

SUITES: Final = {"2026.11.0": "forky", "2026.2.3": "trixie"}
"""Versions, and the Debian whose Python each of them wants."""

NEWEST: Final = "2026.11.0"
PATIENCE: Final = 120.0
SCRIPTS: Final = Path("/usr/share/debootstrap/scripts")
CERTIFICATES: Final = Path("etc/ssl/certs/ca-certificates.crt")
PACKAGES: Final = (
    "ca-certificates", "python3", "python3-venv", "python3-dev", "gcc", "g++", "make", "libffi-dev",
)  # fmt: skip
OWNER: Final = {"name": "Owner", "username": "owner", "password": "a test's own password"}
ENVIRONMENT: Final = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "SSL_CERT_FILE": f"/{CERTIFICATES}",
    "PIP_CERT": f"/{CERTIFICATES}",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
_WITHIN: Final = """
mount -t proc proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev" &&
mkdir -p "$ROOT/state" && mount --bind "$STATE" "$ROOT/state" &&
exec chroot "$ROOT" /usr/bin/env -i "$@"
"""
_REQUIREMENTS: Final = """
import ast, json, pathlib, sys
package = pathlib.Path(sys.argv[1])
wanted, needed, seen = ["mqtt"], set(), set()
for node in ast.parse((package / "bootstrap.py").read_text()).body:
    if isinstance(node, ast.Assign) and node.targets[0].id.endswith("_INTEGRATIONS"):
        wanted += [leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)]
wanted += [folder.name for folder in (package / "components").iterdir()
           if folder.name in (package / "generated" / "entity_platforms.py").read_text()]
for name in wanted:
    manifest = package / "components" / str(name) / "manifest.json"
    if name not in seen and manifest.exists():
        seen.add(name)
        about = json.loads(manifest.read_text())
        needed.update(about.get("requirements", []))
        wanted += about.get("dependencies", [])
        wanted += about.get("after_dependencies", []) if name == "mqtt" else []
print("\\n".join(sorted(needed)))
"""
_CONFIGURATION: Final = """\
homeassistant: {{name: Test, country: NL, time_zone: UTC, unit_system: metric, currency: EUR}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
automation: !include automations.yaml
logger: {{default: warning}}
"""


class HomeAssistant:
    """Entered, it answers and its MQTT integration is loaded. `cache` is kept between runs."""

    def __init__(self, cache: Path, folder: Path, broker: str, *, version: str = NEWEST) -> None:
        self.version = version
        self._suite = SUITES[version]
        self._venv = f"/opt/homeassistant-{version}"
        self._root = cache / self._suite
        self._state = folder
        self._broker = broker.rpartition(":")[2]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = ""
        self.log = folder / "hass.log"
        self._process = Process([], self.log)
        self._client = httpx.AsyncClient(base_url=self.url, timeout=30)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._prepare)
        await self.start()
        await self._onboard()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()
        await asyncio.to_thread(self._process.stop, 30)

    async def start(self) -> None:
        """Start it with what it knows; it answers when this returns."""
        command = [f"{self._venv}/bin/hass", "-c", "/state/config", "--skip-pip", "--log-no-color"]
        self._process = Process(self._inside(command), self.log, env=self._places())
        self._process.start()
        await auntil(self._answers, PATIENCE, "Home Assistant")

    async def restart(self) -> None:
        """Stop it and start it again."""
        await asyncio.to_thread(self._process.stop, 30)
        await self.start()
        await self._running()

    async def states(self) -> dict[str, dict[str, Any]]:
        """Every entity by its id."""
        found = await self.ask("GET", "/api/states")
        return {one["entity_id"]: one for one in found}

    async def state(self, entity: str) -> str | None:
        """The state of an entity, None where there is no such entity."""
        found = (await self.states()).get(entity)
        return None if found is None else str(found["state"])

    async def press(self, entity: str) -> None:
        """Press a button."""
        await self.ask("POST", "/api/services/button/press", json={"entity_id": entity})

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """What its API answers."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self._client.request(method, path, headers=headers, **more)
        answer.raise_for_status()
        return answer.json()

    async def tell(self, *commands: Mapping[str, Any]) -> list[Any]:
        """What commands over its WebSocket give, in order; a refusal is an AssertionError."""
        async with connect(f"ws://127.0.0.1:{self.port}/api/websocket", max_size=None) as socket:
            await socket.recv()
            await socket.send(json.dumps({"type": "auth", "access_token": self.token}))
            assert json.loads(await socket.recv())["type"] == "auth_ok"
            found = []
            for number, command in enumerate(commands, 1):
                await socket.send(json.dumps({"id": number, **command}))
                answer = json.loads(await socket.recv())
                assert answer["success"], answer
                found.append(answer["result"])
            return found

    async def complaints(self) -> list[str]:
        """Warnings and errors of its MQTT integration."""
        rows = await asyncio.to_thread(self.log.read_text, errors="replace")
        return [
            row
            for row in rows.splitlines()
            if "components.mqtt" in row and (" WARNING " in row or " ERROR " in row)
        ]

    def _prepare(self) -> None:
        """The root filesystem and Home Assistant in it: minutes the first time, nothing later."""
        if shutil.which("debootstrap") is None:
            raise NotStarted("there is no debootstrap on this machine")
        self._once("system", self._make_system)
        self._once(self.version, self._install)
        (self._root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        config = self._state / "config"
        storage = config / ".storage"
        storage.mkdir(parents=True)
        (config / "configuration.yaml").write_text(_CONFIGURATION.format(port=self.port))
        (config / "automations.yaml").write_text("[]\n")
        done = ["core_config", "analytics", "integration"]
        _store(storage / "onboarding", version=4, data={"done": done})
        _store(storage / "core.network", version=1, data={"configured_adapters": ["lo"]})

    def _once(self, what: str, make: Callable[[], None]) -> None:
        mark = self._root.with_name(f"{self._root.name}.{what}.done")
        if not mark.exists():
            make()
            mark.touch()

    def _make_system(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.parent.mkdir(parents=True, exist_ok=True)
        script = SCRIPTS / self._suite
        script = script if script.exists() else SCRIPTS / "sid"
        include = f"--include={','.join(PACKAGES)}"
        _run(
            [
                "debootstrap",
                "--variant=minbase",
                include,
                self._suite,
                str(self._root),
                mirror(),
                script,
            ]
        )
        shutil.copy(f"/{CERTIFICATES}", self._root / CERTIFICATES)

    def _install(self) -> None:
        (self._root / "etc/resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
        uv = f"{self._venv}/bin/uv"
        install = [uv, "pip", "install", "--quiet", "--python", f"{self._venv}/bin/python"]
        self._run_inside(["python3", "-m", "venv", "--clear", self._venv])
        self._run_inside([f"{self._venv}/bin/pip", "install", "--quiet", "uv"])
        self._run_inside([*install, f"homeassistant=={self.version}"])
        package = next(
            (self._root / self._venv[1:]).glob("lib/python3.*/site-packages/homeassistant")
        )
        inside = f"/{package.relative_to(self._root)}"
        needed = self._run_inside([f"{self._venv}/bin/python", "-c", _REQUIREMENTS, inside])
        (self._root / "tmp/requirements.txt").write_text(needed)
        limits = ["-c", f"{inside}/package_constraints.txt"]
        self._run_inside([*install, *limits, "-r", "/tmp/requirements.txt"])

    def _inside(self, command: Sequence[str]) -> list[str]:
        """A command in the root filesystem, whose mounts vanish with it."""
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        own = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _WITHIN, "sh"]
        return [*own, *environment, *command]

    def _places(self) -> dict[str, str]:
        return {"ROOT": str(self._root), "STATE": str(self._state)}

    def _run_inside(self, command: Sequence[str]) -> str:
        self._state.mkdir(parents=True, exist_ok=True)
        return _run(self._inside(command), env=os.environ | self._places())

    async def _answers(self) -> bool:
        if not self._process.running:
            raise NotStarted(f"Home Assistant ended:\n{self._process.tail()}")
        try:
            return (await self._client.get("/api/onboarding")).status_code in (200, 404)
        except httpx.HTTPError:
            return False

    async def _running(self) -> None:
        async def whether() -> bool:
            try:
                return bool((await self.ask("GET", "/api/config"))["state"] == "RUNNING")
            except httpx.HTTPError:
                return False

        await auntil(whether, PATIENCE, "Home Assistant to be up")

    async def _onboard(self) -> None:
        """Make the owner, a token, and the entry of the MQTT integration."""
        client = f"{self.url}/"
        given = {"client_id": client, "language": "en", **OWNER}
        made = await self.ask("POST", "/api/onboarding/users", json=given)
        form = {"grant_type": "authorization_code", "code": made["auth_code"], "client_id": client}
        self.token = (await self.ask("POST", "/auth/token", data=form))["access_token"]
        lasting = {"client_name": "tests", "lifespan": 1, "type": "auth/long_lived_access_token"}
        (self.token,) = await self.tell(lasting)
        if self.version == NEWEST:  # else it takes our http: back after five minutes and restarts
            await self.tell({"type": "http/config/promote"})
        await self._running()
        path = "/api/config/config_entries/flow"
        flow = await self.ask("POST", path, json={"handler": "mqtt"})
        while flow["type"] == "form":
            answers = _answers_to(flow["data_schema"], int(self._broker))
            flow = await self.ask("POST", f"{path}/{flow['flow_id']}", json=answers)
            assert not flow.get("errors"), flow
        assert flow["type"] == "create_entry", flow


def _answers_to(schema: Sequence[Mapping[str, Any]], port: int) -> dict[str, Any]:
    """The form of the MQTT integration filled in; what it asks for differs by version."""
    known: dict[str, Any] = {"broker": "127.0.0.1", "port": port}
    known |= {"set_ca_cert": "off", "set_client_cert": False, "transport": "tcp"}
    found: dict[str, Any] = {}
    for field in schema:
        name = field["name"]
        if field.get("type") == "expandable":
            found[name] = _answers_to(field["schema"], port)
        elif name in known:
            found[name] = known[name]
        elif field.get("required") and "default" in field:
            found[name] = field["default"]
    return found


def _store(file: Path, *, version: int, data: Mapping[str, Any]) -> None:
    about = {"version": version, "minor_version": 1, "key": file.name, "data": data}
    file.write_text(json.dumps(about))


def _run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise NotStarted(f"{command[0]} failed:\n{said}")
    return done.stdout
