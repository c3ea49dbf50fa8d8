"""By which way one container is read: Docker's json files where they can be, else the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from towline.sources.docker.catchup import CatchUp
from towline.sources.docker.jsonlog import FilesAway, JsonLog
from towline.sources.docker.origins import Container
from towline.sources.docker.tail import Tail
from towline.sources.docker.wake import Waker

API: Final = "api"
FILES: Final = "files"
AUTO: Final = "auto"
WAYS: Final = (AUTO, API, FILES)


def log_file(container: Container, folder: str) -> Path | None:
    """Where a container's log is: in the folder given, else where the engine says.

    Nothing but the log of that very container is believed: an engine elsewhere could say anything.
    """
    name = f"{container.id}-json.log"
    if folder:
        return Path(folder) / container.id / name
    path = Path(container.log_path)
    own = path.is_absolute() and (path.parent.name, path.name) == (container.id, name)
    return path if own else None


class Ways:
    """Of one container. `reason` tells why it is not read by its files."""

    def __init__(
        self,
        read: str,
        folder: str,
        waker: Waker,
        catch_up: CatchUp,
        container: Callable[[], Container],
        running: Callable[[], Awaitable[bool]],
    ) -> None:
        self.reason = ""
        self._read = read
        self._folder = folder
        self._waker = waker
        self._catch_up = catch_up
        self._container = container
        self._running = running
        self._tail: Tail | None = None

    def files(self) -> Tail | None:
        """The reader of its files; None for the API; `FilesAway` where only files are wanted."""
        if self._read == API:
            return None
        container = self._container()
        path = log_file(container, self._folder)
        self.reason = _obstacle(container, path)
        if self.reason or path is None:
            self.give_up(self.reason)
            return None
        if self._tail is None or self._tail.log.path != path:
            log = JsonLog(path, self._catch_up, capacity=container.capacity)
            self._tail = Tail(log, self._waker, lambda: self._container().running, self._running)
        return self._tail

    def give_up(self, reason: str) -> None:
        """The files cannot be read: the API may, unless only files are wanted."""
        self.reason = reason
        if self._read == FILES:
            raise FilesAway(reason)

    def ring(self) -> None:
        """Something happened to the container: have its reader look."""
        if self._tail is not None:
            self._tail.bell.set()


def _obstacle(container: Container, path: Path | None) -> str:
    """Why the files cannot be read, in plain words; empty where they can."""
    if container.driver != "json-file":
        return f"its log driver is {container.driver!r}, not json-file"
    if path is None:
        return "the engine does not say where its log is"
    try:
        with path.open("rb"):
            return ""
    except OSError as exc:
        return f"{path}: {exc.strerror}"
