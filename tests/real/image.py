"""The one image of tests and demo: busybox, imported from this machine; nothing is pulled."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.real.process import NotStarted

IMAGE = "towline-busybox:1"


def import_image(host: str) -> bool:
    """Import it into the engine at `host`; says whether it was not there yet."""
    found = subprocess.run(
        ["docker", "-H", host, "image", "inspect", IMAGE], capture_output=True, check=False
    )
    if found.returncode == 0:
        return False
    subprocess.run(
        ["docker", "-H", host, "import", "--change", "ENV PATH=/bin", "-", IMAGE],
        input=_archive(),
        capture_output=True,
        check=True,
    )
    return True


def _archive() -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise NotStarted("there is no busybox on this machine")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(Path(busybox).resolve(), "bin/busybox")
        for library in _libraries(busybox):
            archive.add(Path(library).resolve(), library.lstrip("/"))
        for applet in _applets(busybox):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    return buffer.getvalue()


def _applets(busybox: str) -> list[str]:
    shown = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    return [applet for applet in shown.stdout.split() if applet != "busybox"]


def _libraries(program: str) -> list[str]:
    # Debian's plain busybox is dynamically linked; the static one needs none.
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", shown.stdout)
