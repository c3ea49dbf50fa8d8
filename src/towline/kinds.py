"""Every kind of source and backend there is. No registration by import, no entry points."""

from __future__ import annotations

from typing import Final

from towline.backends import balena, clickhouse, elasticsearch, loki, mqtt, otlp, syslog
from towline.config.kinds import Kinds
from towline.sources import demo, docker, ingest, journald, swarm
from towline.sources import mqtt as listener

SOURCES: Final[Kinds] = {
    "docker": docker.KIND,
    "journald": journald.KIND,
    "swarm": swarm.KIND,
    "mqtt": listener.KIND,
    "ingest": ingest.KIND,
    "demo": demo.KIND,
}
BACKENDS: Final[Kinds] = {
    "mqtt": mqtt.KIND,
    "loki": loki.KIND,
    "elasticsearch": elasticsearch.KIND,
    "syslog": syslog.KIND,
    "otlp": otlp.KIND,
    "clickhouse": clickhouse.KIND,
    "balena": balena.KIND,
}
