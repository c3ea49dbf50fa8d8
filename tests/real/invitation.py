"""What a person sees once Towline is up: where to look, and lines to paste."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.real.machine import split_address

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def page_url(listen: str) -> str:
    """The address of the page, as a browser on this machine reaches it."""
    host, port = split_address(listen)
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def curl_line(listen: str) -> str:
    """A query that finds something soon."""
    return f"curl -s '{page_url(listen)}/api/v1/logs?minLevel=warn&limit=5'"


def mosquitto_line(broker: str, environ: Mapping[str, str]) -> str:
    """The subscriber that shows what Towline publishes. No password is printed."""
    first = broker.split(",")[0].strip()
    parts = urlsplit(first if "://" in first else f"//{first}")
    words = ["mosquitto_sub", "-h", parts.hostname or "127.0.0.1"]
    secure = parts.scheme in ("mqtts", "ssl", "tls")
    words += ["-p", str(parts.port or (8883 if secure else 1883))]
    words += ["--tls-use-os-certs"] if secure else []
    if environ.get("MQTT_USERNAME"):
        words += ["-u", '"$MQTT_USERNAME"', "-P", '"$MQTT_PASSWORD"']
    return " ".join([*words, "-v", "-t", f"'{_filter(environ.get('MQTT_TOPIC', ''))}'"])


def _filter(template: str) -> str:
    if not template:
        return "towline/#"
    levels = ["+" if "{" in level else level for level in template.split("/")]
    return "/".join([*levels, "#"])
