"""A headless Chromium of the tests' own, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

from tests.real.far import Far
from tests.real.until import auntil

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def executable() -> str | None:
    """Where Chromium is, if it is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page of one browser, with a profile of its own and perhaps a network of its own."""

    def __init__(self, folder: Path, network: Far | None = None) -> None:
        self._folder = folder
        self._network = network
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        program = executable()
        assert program, "chromium is not installed"
        command = [program, *_FLAGS, f"--user-data-dir={self._folder}", "about:blank"]
        self._process = await asyncio.create_subprocess_exec(
            *(self._network.command(*command) if self._network else command),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        port = self._folder / "DevToolsActivePort"
        lines = await auntil(lambda: port.exists() and port.read_text().split(), 30, "chromium")
        assert isinstance(lines, list)
        dialled: dict[str, Any] = (
            {"sock": self._network.dial(int(lines[0]))} if self._network else {}
        )
        url = f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        self._socket = await connect(url, max_size=None, **dialled)
        self._reading = asyncio.create_task(self._read(self._socket))
        self._session = ""
        targets = (await self._call("Target.getTargets"))["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = await self._call(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self._call(f"{domain}.enable")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await self._socket.close()
        self._process.terminate()
        await self._process.wait()

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))
            elif message["method"] == "Log.entryAdded":
                entry = message["params"]["entry"]
                if entry["level"] == "error":
                    self.complaints.append(f"{entry['text']} {entry.get('url', '')}")

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send(json.dumps(message))
        found = await answer
        if "error" in found:
            raise AssertionError(f"{method}: {found['error']['message']}")
        result: dict[str, Any] = found["result"]
        return result

    async def goto(self, url: str) -> None:
        """Open an address."""
        await self._call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = await self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, expression: str, timeout: float = 15) -> Any:
        """The first true value of an expression."""
        return await auntil(lambda: self.evaluate(expression), timeout, expression)

    async def screen(
        self, width: int, height: int, *, dark: bool = False, phone: bool = False
    ) -> None:
        """The size of the window, and the colours the reader prefers."""
        await self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self._call("Emulation.setEmulatedMedia", features=[feature])

    async def screenshot(self, path: Path) -> None:
        """A picture of the window."""
        found = await self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))
