"""A collector as it is often written, to show that the checkers notice what it does.

It follows each container by `docker logs --follow`, keeps the time of the last line as a floating
point number, and begins again from there. It writes what it gets in the layout of the store:
`python -m tests.faults.torture.naive HOST FOLDER`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

PAUSE = 0.2


class Collector:
    """Follows every container that it finds, a thread for each stream."""

    def __init__(self, host: str, folder: Path) -> None:
        self._docker = ["docker", "-H", host]
        self._state = folder / "state.json"
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        self._file = (folder / "logs" / "naive.ndjson").open("ab", buffering=0)
        self._last: dict[str, float] = {}
        if self._state.exists():
            self._last = json.loads(self._state.read_text() or "{}")
        self._following: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def run(self) -> None:
        """Look for containers now and then, and keep the times."""
        while True:
            for name in self._list():
                known = self._following.get(name)
                if known is None or known.poll() is not None:
                    self._follow(name)
            with self._lock:
                self._state.write_text(json.dumps(self._last))
            threading.Event().wait(PAUSE)

    def _list(self) -> list[str]:
        command = [*self._docker, "ps", "--all", "--format", "{{.Names}}"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()

    def _follow(self, name: str) -> None:
        since = [f"--since={self._last[name]:f}"] if name in self._last else []
        process = subprocess.Popen(
            [*self._docker, "logs", "--follow", "--timestamps", *since, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._following[name] = process
        for pipe, stderr in ((process.stdout, False), (process.stderr, True)):
            threading.Thread(target=self._read, args=(name, pipe, stderr), daemon=True).start()

    def _read(self, name: str, pipe: IO[bytes], stderr: bool) -> None:
        for row in pipe:
            time, _, text = row.decode("utf-8", "replace").rstrip("\n").partition(" ")
            record = {"containerName": name, "message": text, "isStdErr": stderr}
            with self._lock:
                self._file.write(json.dumps(record).encode() + b"\n")
                try:
                    moment = datetime.fromisoformat(time[:26]).replace(tzinfo=UTC)
                except ValueError:
                    continue
                self._last[name] = moment.timestamp()


if __name__ == "__main__":
    Collector(sys.argv[1], Path(sys.argv[2])).run()
