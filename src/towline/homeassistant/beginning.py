"""The configuration that an app of Home Assistant begins with, annotated."""

from __future__ import annotations

_TEXT = """\
# Towline's configuration. Save it and it is in force; a file at fault changes nothing, and the
# page and the entity "Configuration" say what is wrong with it.
#
# Every key and its default: docs/configuration.md. Delete a "#" to switch a line on.
# Durations are written 500ms, 30s, 24h, 7d; sizes 512KB, 10MB, 1GB.

version: 1

# Who this Towline is, in topics and in Home Assistant. Chosen once: entities hang on the id.
device:
  id: home
  name: Towline

# Where lines come from. Without `sources`, what is there is read:
# where there is a Docker socket (Towline full with Protection mode off) the Docker Engine for
# containers and the journal for the host; else the journal for everything, containers included.
#sources:
#  journal: {type: journald, containers: true}

# What never reaches the disk. More: emails, and patterns of your own.
pipeline:
  redact: [tokens, urls]

# How long and how much is kept. The log is not part of backups.
store:
  retention: {max_age: 7d, max_size: 500MB}

# `supervisor`: the broker app of Home Assistant; address, user and password are asked for by
# themselves. Another broker: servers: [mqtt://192.168.1.10], username, password.
brokers:
  home:
    servers: [supervisor]

# Containers as devices. `controls: true` adds start, stop and restart in Towline full.
homeassistant:
  discovery: true
  # en or de
  language: en
#  events: [{min_level: error}]
#  controls: false

# Lines to other places, also over MQTT: docs/backends.md.
#backends:
#  loki: {type: loki, url: "http://192.168.1.10:3100"}

# What raises an alarm: docs/alerts.md. It comes as an event entity of the container, too.
#alerts:
#  out_of_disk:
#    match: {regex: "(?i)no space left on device"}
#    actions: [{notify: {}}]

# For other programs than the panel in the sidebar: a token, and the port in the app's settings.
#api:
#  tokens:
#    # The SHA-256 of a token of your choice: printf %s TOKEN | sha256sum
#    - name: grafana
#      hash: 0000000000000000000000000000000000000000000000000000000000000000
"""


def first_text() -> str:
    """The text of the first file."""
    return _TEXT
