"""Containers worth looking at: levels of many shapes, JSON, stack traces, long lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tests.real.containers import Containers
from tests.real.image import IMAGE, import_image
from tests.real.work import say

LABEL: Final = "towline.demo"
PROJECT: Final = "towline-demo"

_WEB = """
while true; do
  case $((RANDOM % 12)) in 0) status=404 ;; 1) status=500 ;; 2) status=304 ;; *) status=200 ;; esac
  path=/$(echo cart api/orders static/app.js health | cut -d' ' -f$((RANDOM % 4 + 1)))
  echo "192.0.2.$((RANDOM % 254 + 1)) - - [$(date -u '+%d/%b/%Y:%H:%M:%S +0000')]" \
    "\\"GET $path HTTP/1.1\\" $status $((RANDOM % 9000)) \\"-\\" \\"curl/8.5\\""
  [ $status != 500 ] || echo "[error] upstream timed out while reading $path" >&2
  sleep $((RANDOM % 3)).$((RANDOM % 10))
done
"""

_API = """
n=0
while true; do
  n=$((n + 1))
  case $((RANDOM % 8)) in
    0) level=error text="Error connecting to database" ;;
    1) level=warn text="payment slow" ;;
    2) level=debug text="cache lookup" ;;
    *) level=info text="order stored" ;;
  esac
  echo "{\\"level\\":\\"$level\\",\\"msg\\":\\"$text\\",\\"order\\":$n,\\"ms\\":$((RANDOM % 900))}"
  sleep 0.$((RANDOM % 9 + 1))
done
"""

_LEVELS = """
while true; do
  echo "[INFO] scheduler: tick"
  echo "level=debug msg=\\"nothing due\\" queue=0"
  sleep 2
  echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) WARN  disk 91% full"
  echo "W1121 10:00:00.000000 1 kubelet.go:42] slow answer"
  sleep 2
  echo "<3>critical-path: sensor silent for 30s" >&2
  echo "plain words without any level"
  sleep 2
  echo "FATAL cannot open /dev/ttyUSB0" >&2
  sleep 2
done
"""

_WORKER = """
n=0
while true; do
  n=$((n + 1))
  echo "INFO picture $n converted"
  sleep 1
  [ $((n % 7)) != 0 ] || cat >&2 <<TRACE
Traceback (most recent call last):
  File "/app/worker.py", line 42, in convert
    size = picture.size()
  File "/app/picture.py", line 17, in size
    raise ValueError(f"picture {self.id} has no size")
ValueError: picture $n has no size
TRACE
done
"""

_IMPORTER = """
while true; do
  echo "importing, token=not-a-real-token-0123456789abcdef"
  printf 'DEBUG rows: '; head -c 20000 /dev/zero | tr '\\0' x; echo
  sleep 20
done
"""

SCRIPTS: Final[Mapping[str, str]] = {
    "web": _WEB,
    "api": _API,
    "scheduler": _LEVELS,
    "worker": _WORKER,
    "importer": _IMPORTER,
}
"""The demo's services and what they run."""


class Demos:
    """The demo containers of one clone of the project, known by their label."""

    def __init__(self, host: str, mark: str) -> None:
        self._containers = Containers(host)
        self._mark = f"{LABEL}={mark}"
        self._imported = False

    def start(self) -> Iterator[str]:
        """Start each and yield its name; those of an earlier, killed run are replaced."""
        self._remove_containers()
        self._imported = import_image(self._containers.host)
        for service, script in SCRIPTS.items():
            name = f"{PROJECT}-{service}-1"
            self._containers.run(script, name=name, labels=self._labels(service))
            yield name

    def remove(self) -> None:
        """Remove them, and the image if it was not there before."""
        say("removing the demo containers")
        self._remove_containers()
        if self._imported:
            self._containers.cli("image", "rm", IMAGE)

    def _remove_containers(self) -> None:
        listed = self._containers.cli("ps", "--all", "--quiet", f"--filter=label={self._mark}")
        if names := listed.split():
            self._containers.remove(*names)

    def _labels(self, service: str) -> dict[str, str]:
        key, _, value = self._mark.partition("=")
        return {
            key: value,
            "com.docker.compose.project": PROJECT,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": "1",
        }
