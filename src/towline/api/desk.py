"""What every handler is given."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from towline.api.auth import Asker, Gate, bearer
from towline.api.ports import Towline
from towline.live.viewers import Viewers


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The program behind the API, its viewers, and who may do what."""

    towline: Towline
    viewers: Viewers
    gate: Gate

    def audit(self, request: Request, action: str, status: int) -> None:
        """Write down what was asked for and how it was answered (0: refused for its content)."""
        url, peer = request.url, request.client.host if request.client else ""
        asked = f"{url.path}?{url.query}" if url.query else url.path
        diff = {"status": status or "refused"}
        self.towline.audit.put(self.who(request), action, asked, ip=peer, diff=diff)

    def who(self, request: Request) -> str:
        """Who asks, for what is put on record."""
        peer = request.client.host if request.client else ""
        asker = Asker(peer=peer, headers=request.headers, token=bearer(request.headers))
        return self.gate.who(asker)
