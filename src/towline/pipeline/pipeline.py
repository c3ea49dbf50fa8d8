"""The steps of one configuration, in order: parse, level, redact, encode."""

from __future__ import annotations

from collections import Counter

from towline.config.settings import Pipeline as PipelineSettings
from towline.pipeline.encode import encode, template_of
from towline.pipeline.level import level_of
from towline.pipeline.parse import parse_json
from towline.pipeline.redact import Redactor
from towline.record import Line, Origin, Record


class Pipeline:
    """Turns lines into records. Pure but for its counters; a step costs nothing when idle."""

    def __init__(self, settings: PipelineSettings) -> None:
        self._json = "json" in settings.parse
        self._redact = Redactor(settings.redact) if settings.redact else None

    @property
    def counters(self) -> Counter[str]:
        """Lines that each step changed."""
        return Counter(redacted=self._redact.redacted if self._redact else 0)

    def refine(self, origin: Origin, lines: list[Line], offset: int) -> list[Record]:
        """Lines of one origin as records, the first at `offset`.

        Redaction comes before parsing looks at the text, so that a secret is gone from the
        message and from the fields alike.
        """
        if self._redact:
            self._redact(lines, origin)
        json = self._json
        for line in lines:
            text = line.text
            if json and text[:1] == "{" and text[-1:] == "}":
                parse_json(line)
            if not line.level:
                line.level = level_of(line.text, "error" if line.stderr else "info")
        return encode(template_of(origin), lines, offset)
