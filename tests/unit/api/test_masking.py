from __future__ import annotations

import pytest

from towline.api.masking import masked

FILE = """\
version: 1  # password: not this one
brokers:
  home: {password: hunter2, username: me, tls: {key: "key.pem"}}
  away:
    servers: ["mqtt://user:hunter2@broker:1883"]
    password: !secret mqtt
    client_id: 'a'
api:
  tokens: [{name: grafana, hash: "hunter2", scopes: [read]}]
backends:
  cloud:
    api_key: |
      hunter2
    uuid: abc
alerts:
  one: {actions: [{http: {headers: {Authorization: Bearer hunter2, X-Api-Key: hunter2}}}]}
"""


def test_literal_secrets_are_gone_and_all_else_stands() -> None:
    found = masked(FILE)
    assert "hunter2" not in found
    for kept in (
        "!secret mqtt",
        "username: me",
        "# password: not this one",
        "name: grafana",
        "uuid: abc",
    ):
        assert kept in found
    assert "mqtt://user:***@broker:1883" in found
    assert masked("version: 1\n# a comment\n") == "version: 1\n# a comment\n"


@pytest.mark.parametrize("text", ["a: [\npassword: hunter2\n", "a: [\nkey: |\n  hunter2\nb: 1\n"])
def test_what_is_no_yaml_shows_no_secret_either(text: str) -> None:
    assert "hunter2" not in masked(text)
