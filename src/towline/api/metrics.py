"""Metrics in Prometheus' text format 0.0.4. Ours are few, so no library is needed to write them."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from towline.api.desk import Desk
from towline.status import State
from towline.store.log import Store

Labels = Mapping[str, str]
Sample = tuple[Labels, float]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STARTED: Final = time.time()
_BAD = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


async def metrics(desk: Desk, request: Request) -> Response:
    """Every component's counters, for Prometheus."""
    body = "".join(_families(desk))
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


def _families(desk: Desk) -> Iterator[str]:
    towline = desk.towline
    info = {"version": towline.version, "device": towline.device.id}
    yield family("towline_info", "gauge", "This Towline.", [(info, 1)])
    yield from components(towline.status())
    lags = [({"backend": b["name"]}, b["lag"]) for b in towline.backends() if "lag" in b]
    yield family("towline_backend_lag_records", "gauge", "Records not yet delivered.", lags)
    yield from _store(towline.store)
    yield family("towline_viewers", "gauge", "Live viewers.", [({}, desk.viewers.open)])
    yield from _process()


def _store(store: Store) -> Iterator[str]:
    """What the store holds, lost and wrote."""
    account = store.account
    size: list[Sample] = [({}, store.files.size)]
    written = [({"kind": kind}, count) for kind, count in sorted(account.present.items())]
    lost = [({"kind": kind}, count) for kind, count in sorted(account.totals.items())]
    yield family("towline_store_bytes", "gauge", "Bytes of the store's files.", size)
    yield family("towline_written_bytes_total", "counter", "Bytes written to the disk.", written)
    yield family("towline_lost_ever_total", "counter", "What was lost, over restarts.", lost)


def components(status: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """State and counters of components, a family per counter."""
    up = [({"component": key}, found["state"] == State.UP) for key, found in status.items()]
    yield family("towline_up", "gauge", "Whether a component is up.", up)
    counters: dict[str, list[Sample]] = {}
    for key, found in status.items():
        for name, value in found["counters"].items():
            counters.setdefault(_BAD.sub("_", name), []).append(({"component": key}, value))
    for name, samples in sorted(counters.items()):
        yield family(f"towline_{name}_total", "counter", f"Counter {name} of a component.", samples)


def _process() -> Iterator[str]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * _PAGE
    cpu = usage.ru_utime + usage.ru_stime
    yield family("process_cpu_seconds_total", "counter", "CPU time.", [({}, cpu)])
    yield family("process_resident_memory_bytes", "gauge", "Resident memory.", [({}, resident)])
    yield family("process_start_time_seconds", "gauge", "Start, Unix time.", [({}, _STARTED)])


def family(name: str, kind: str, about: str, samples: Sequence[tuple[Labels, float]]) -> str:
    """One metric with its samples; nothing where there are none."""
    if not samples:
        return ""
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {float(value):.17g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in labels.items())
    return f"{{{inner}}}"
