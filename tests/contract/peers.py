"""Destinations over HTTP that behave by their protocol and keep what they have taken."""

from __future__ import annotations

from tests.real.http import HttpPeer, Reply, Seen


class Loki(HttpPeer):
    """Takes pushes as Loki does: a line once per stream and time, nothing before `oldest`."""

    def __init__(self) -> None:
        super().__init__()
        self.oldest = 0
        self.entries: list[tuple[dict[str, str], int, str, dict[str, str]]] = []

    def answer(self, seen: Seen) -> Reply:
        if seen.path != "/loki/api/v1/push":
            return Reply(404, b"404 page not found", "text/plain")
        late = 0
        for stream in seen.json()["streams"]:
            labels = stream["stream"]
            if not labels or not all(isinstance(each, str) and each for each in labels.values()):
                return Reply(400, b"error at least one label pair is required", "text/plain")
            for nanoseconds, line, *metadata in stream["values"]:
                entry = labels, int(nanoseconds), line, (metadata or [{}])[0]
                if not all(isinstance(each, str) for each in entry[3].values()):
                    return Reply(400, b"Value looks like Number/Boolean/None", "text/plain")
                if entry[1] < self.oldest:
                    late += 1
                elif entry[:3] not in [kept[:3] for kept in self.entries]:
                    self.entries.append(entry)
        if late:
            return Reply(400, b"entry too far behind, total ignored: %d" % late, "text/plain")
        return Reply(204)

    def lines(self) -> list[bytes]:
        """Every line kept, in order."""
        return [line.encode() for _, _, line, _ in self.entries]
