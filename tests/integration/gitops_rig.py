"""Real repositories over file, http and ssh, and a follower that records what it is asked."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from towline.config.git import GitSettings
from towline.config.load import load
from towline.errors import ConfigError, Problem
from towline.gitops.sync import GitSync
from towline.kinds import BACKENDS, SOURCES

DEVICE = "pi"
FILE = "devices/pi.yaml"
GOOD = "version: 1\nsources: {}\nstore: {memory: %d}\n"
BAD = "version: 1\nsources: {}\nstroe: {}\n"
ENVIRONMENT = {"PATH": os.environ["PATH"]}

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *arguments: str, feed: bytes = b"") -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**ENVIRONMENT, **_IDENTITY},
        input=feed,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


class Repository:
    """A bare repository and a work tree that pushes to it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self._work = folder / "fleet.git", folder / "work"
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.bare))
        git(folder, "init", "-q", "-b", "main", str(self._work))
        git(self._work, "remote", "add", "origin", str(self.bare))

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def commit(self, files: Mapping[str, str | bytes], subject: str = "change") -> str:
        """Commit these files on top, push, and return the commit's id."""
        for name, content in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.publish(subject)

    def link(self, name: str, target: str) -> str:
        (self._work / name).symlink_to(target)
        return self.publish("a link")

    def publish(self, subject: str) -> str:
        git(self._work, "add", "--all")
        git(self._work, "commit", "-q", "--allow-empty", "-m", subject)
        return self.push()

    def memory(self, records: int, subject: str = "change") -> str:
        """Commit a good file for our device that says so."""
        return self.commit({FILE: GOOD % records}, subject)

    def reset(self, commit: str) -> None:
        git(self._work, "reset", "-q", "--hard", commit)

    def push(self, branch: str = "main") -> str:
        git(self._work, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        git(self.bare, "update-server-info")
        return git(self._work, "rev-parse", "HEAD")

    def delete_branch(self, branch: str = "main") -> None:
        git(self.bare, "update-ref", "-d", f"refs/heads/{branch}")

    def files(self, commit: str) -> dict[str, str]:
        """What a commit holds, as git tells it."""
        names = git(self.bare, "ls-tree", "-r", "--name-only", commit).splitlines()
        return {name: git(self.bare, "show", f"{commit}:{name}") for name in names}


def settings(url: str, **changed: Any) -> GitSettings:
    wanted = {
        "url": url,
        "branch": "main",
        "path": "devices/{device}.yaml",
        "interval": 0.05,
        "key": None,
        "token": None,
        "known_hosts": "",
        "ca": "",
    }
    return GitSettings(**{**wanted, **changed})


def verify(file: Path) -> Sequence[Problem]:
    """What Towline itself finds wrong with a file."""
    try:
        load(file.read_bytes(), SOURCES, BACKENDS, file=file)
    except ConfigError as exc:
        return exc.problems
    return ()


class Follower:
    """A `GitSync` and what it asked of the program: texts it applied, statuses it told."""

    def __init__(self, data: Path, wanted: GitSettings, **options: Any) -> None:
        self.applied: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.verified = 0
        self.refusal: Sequence[Problem] = ()
        self.warnings: Sequence[Problem] = ()
        self.sync = GitSync(
            wanted,
            DEVICE,
            data,
            verify=self._verify,
            apply=self._apply,
            changed=self.told.append,
            **{"environment": ENVIRONMENT, **options},
        )

    @property
    def states(self) -> list[str]:
        """The states that were told, repetitions left out."""
        found = [str(status["state"]) for status in self.told]
        return [
            state for state, former in zip(found, ["", *found], strict=False) if state != former
        ]

    @property
    def text(self) -> str:
        return self.sync.file.read_text()

    def _verify(self, file: Path) -> Sequence[Problem]:
        self.verified += 1
        return [*verify(file), *self.warnings]

    async def _apply(self) -> Sequence[Problem]:
        if not self.refusal:
            self.applied.append(self.text)
        return [*self.refusal, *self.warnings]


def whole(data: Path, repository: Repository) -> str | None:
    """The commit that the tree in force is of, proved file by file; None without a tree."""
    current = data / "config-git" / "current"
    if not os.path.lexists(current):
        return None
    commit = current.readlink().name.partition("-")[0]
    paths = [path for path in current.resolve().rglob("*") if path.is_file()]
    found = {path.relative_to(current.resolve()).as_posix(): path.read_text() for path in paths}
    assert {name: text.strip() for name, text in found.items()} == repository.files(commit)
    return commit


def command_lines() -> str:
    """The arguments of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(found)


@contextmanager
def http(
    root: Path,
    *,
    token: str = "",
    smart: bool = True,
    moved_to: str = "",
    asked: Callable[[str], None] = lambda _: None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """The repositories below a folder over http; where there is a `token`, only with it.

    `moved_to`: another server that all requests are sent on to. With `tls` it is https.
    """

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, directory=str(root), **options)

        def do_GET(self) -> None:
            if self._allowed():
                self._backend() if smart else super().do_GET()

        def do_POST(self) -> None:
            if self._allowed():
                self._backend()

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

        def _allowed(self) -> bool:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            asked(base64.b64decode(given).decode())
            if moved_to:
                self.send_response(302)
                self.send_header("Location", moved_to + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return False
            if not token or base64.b64decode(given).decode().endswith(f":{token}"):
                return True
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def _backend(self) -> None:
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            done = subprocess.run(
                ["git", "http-backend"],
                input=self.rfile.read(length),
                capture_output=True,
                check=True,
                timeout=30,
                env={
                    **ENVIRONMENT,
                    **_IDENTITY,
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(length),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                },
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            rows = [row.decode().split(": ", 1) for row in head.split(b"\r\n")]
            status = next((int(value.split()[0]) for name, value in rows if name == "Status"), 200)
            self.send_response(status)
            for name, value in rows:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
