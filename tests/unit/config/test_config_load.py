from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.kinds import BACKENDS, SOURCES, loaded, problems, told
from towline.config.load import load
from towline.config.pipeline import Redaction
from towline.config.settings import Match, Route, Token
from towline.errors import ConfigError
from towline.pipeline.redact import GROUPS, own_rule

BROKER = "brokers: {home: {servers: [mqtt://nas]}}\n"
SECRET_PASSWORD = (
    "version: 1\nbrokers:\n"
    "  home: {servers: [mqtt://nas], username: !secret user, password: !secret pw}\n"
)


def test_durations_sizes_and_patterns_are_values() -> None:
    text = (
        "version: 1\n"
        "store: {flush: 500ms, max_file_size: 1MB, retention: {max_age: 7d, max_size: 2GB}}\n"
        "pipeline: {parse: [], redact: [emails, {pattern: '(a)b', with: '\\1'}, {pattern: x}]}\n"
        f"{BROKER}"
        "backends: {mqtt: {type: mqtt, broker: home}}\n"
        "routes: [{match: {service: web}, to: mqtt, final: true}]\n"
        f"api: {{tokens: [{{name: me, hash: '{'AB' * 32}', scopes: [operate, admin]}}]}}\n"
    )
    found = loaded(text)
    upkeep = found.upkeep
    assert (upkeep.flush, upkeep.max_file_size) == (0.5, 1_000_000)
    assert (upkeep.max_age, upkeep.max_size) == (7 * 86400, 2 * 10**9)
    assert found.pipeline.parse == ()
    own = (
        Redaction(pattern="(a)b", replacement="\\1"),
        Redaction(pattern="x", replacement="[REDACTED]"),
    )
    assert found.pipeline.redact == ("emails", *own)
    assert own_rule(own[0])("ab") == "a"
    assert found.routes == (Route(match=Match(service=("web",)), to=("mqtt",), final=True),)
    assert found.api.tokens == (Token(name="me", hash="ab" * 32, scopes=("operate", "admin")),)


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        ("a(b)(?P<name>c)", r"<\\1-\g<2>-\g<name>-\1\2>", r"x<\1-c-c-bc>x"),
        ("ab(c)|d(e)", r"[\1|\2]", "x[c|]x"),
        ("abc", "gewei\u00dft \U0001f512 {0} $1", "xgewei\u00dft \U0001f512 {0} $1x"),
        ("abc", "", "xx"),
    ],
)
def test_a_replacement_holds_groups_and_any_letters(
    pattern: str, replacement: str, said: str
) -> None:
    text = f"version: 1\npipeline: {{redact: [{{pattern: '{pattern}', with: '{replacement}'}}]}}\n"
    (rule,) = loaded(text).pipeline.redact
    assert isinstance(rule, Redaction)
    assert own_rule(rule)("xabcx") == said


@pytest.mark.parametrize("replacement", [r"\2", r"\g<other>", r"\n", r"\c", "\\", r"\0", r"\g<1"])
def test_a_replacement_that_refers_to_nothing_is_refused(replacement: str) -> None:
    text = f"version: 1\npipeline: {{redact: [{{pattern: '(a)', with: '{replacement}'}}]}}\n"
    assert [problem.code for problem in problems(text)] == ["bad_replacement"]


def test_every_group_of_redaction_can_be_named() -> None:
    text = f"version: 1\npipeline: {{redact: [{', '.join(GROUPS)}]}}\n"
    assert set(loaded(text).pipeline.redact) == set(GROUPS)


def test_equal_texts_give_equal_settings() -> None:
    assert loaded("version: 1\nstore: {flush: 5s}\n") == loaded("version: 1 # same\n")


def test_secrets_come_from_beside_the_file_and_are_not_shown() -> None:
    files = {"secrets.yaml": b"user: 0815\npw: hunter2\n"}
    broker = loaded(SECRET_PASSWORD, files=files).brokers["home"]
    assert broker.password.reveal() == "hunter2"
    assert broker.username == "0815"
    assert "hunter2" not in repr(broker)
    assert "0815" not in repr(broker)


def test_secrets_are_looked_for_up_to_the_configuration_folder_and_no_further() -> None:
    held = {
        Path("/config/secrets.yaml"): b"pw: top\nuser: me\n",
        Path("/config/devices/secrets.yaml"): b"pw: near\n",
        Path("/secrets.yaml"): b"never: 1\n",
    }
    asked: list[Path] = []

    def read(path: Path) -> bytes | None:
        asked.append(path)
        return held.get(path)

    file, folder = Path("/config/devices/pi.yaml"), Path("/config")
    found = load(SECRET_PASSWORD, SOURCES, BACKENDS, file=file, folder=folder, read=read)
    assert found.brokers["home"].password.reveal() == "near"
    assert found.brokers["home"].username == "me"
    text = "version: 1\ndevice: {id: !secret never}\n"
    with pytest.raises(ConfigError):
        load(text, SOURCES, BACKENDS, file=file, folder=folder, read=read)
    assert set(asked) == {Path("/config/secrets.yaml"), Path("/config/devices/secrets.yaml")}


def test_faults_of_the_secrets_file_are_told_once_at_their_own_place_without_values() -> None:
    found = problems(SECRET_PASSWORD, files={"secrets.yaml": b"user: me\npw: hunter2\npw: x\n"})
    assert [(p.file, p.line, p.code) for p in found] == [
        ("/config/secrets.yaml", 3, "repeated_key"),
        ("/config/towline.yaml", 3, "unread_secrets"),
        ("/config/towline.yaml", 3, "unread_secrets"),
    ]
    assert found[0].source == "pw: *"


def test_a_secrets_file_that_cannot_be_read_is_a_problem() -> None:
    def read(path: Path) -> bytes | None:
        raise ConfigError(problems("version: 2\n"))

    with pytest.raises(ConfigError) as caught:
        load(SECRET_PASSWORD, SOURCES, BACKENDS, file=Path("/config/x.yaml"), read=read)
    assert "unread_secrets" in {found.code for found in caught.value.problems}


def test_a_secret_that_is_no_text_says_where_to_mend_it() -> None:
    found = problems(SECRET_PASSWORD, files={"secrets.yaml": b"user: me\npw: [1]\n"})
    assert [p.text for p in found] == ["the secret 'pw' is not a text"]


def test_variables_are_numbers_truths_and_texts() -> None:
    text = (
        "version: 1\n"
        "store: {memory: !env_var MEMORY 5, persist: !env_var PERSIST}\n"
        "device: {name: !env_var NAME My own Pi}\n"
    )
    found = loaded(text, environment={"MEMORY": "", "PERSIST": "false"})
    assert (found.upkeep.memory, found.store.persist) == (5, False)
    assert found.device.name == "My own Pi"


def test_problems_of_all_kinds_are_told_together_in_order() -> None:
    text = (
        "version: 1\n"
        "stor: {}\n"
        "store: {flush: !secret flush, memory: -1}\n"
        "backends: {mqtt: {type: mqtt, broker: nowhere}, other: {type: mqtt}}\n"
        "routes: [{to: [mqtt, lok]}]\n"
        "version: 2\n"
    )
    assert told(text) == [
        "2:1 unknown key 'stor'",
        "3:16 the secret 'flush' is not in secrets.yaml",
        "3:39 expected a whole number from 1 to 1000000, not the number -1",
        "4:39 the broker 'nowhere' is not defined",
        "4:49 the key 'broker' is missing",
        "5:22 the backend 'lok' is not defined",
        "6:1 repeated key 'version'; it stands in line 1 already",
    ]


def test_at_most_a_hundred_problems_are_told() -> None:
    text = "version: 1\n" + "".join(f"key{n}: 1\n" for n in range(5000))
    assert len(problems(text)) == 100


def test_a_fault_in_a_merged_part_is_told_where_it_is_merged() -> None:
    text = (
        "version: 1\nbrokers:\n"
        "  a: &a {servers: [mqtt://a]}\n"
        "  b:\n    <<: *a\n    keep_alive: 1s\n"
    )
    assert told(text) == ["6:17 expected a duration from 5s to 18h, not '1s'"]


def test_a_backend_reaches_a_broker_that_only_the_environment_defines() -> None:
    text = "version: 1\nbackends: {x: {type: mqtt, broker: default}}\n"
    assert set(loaded(text, environment={"MQTT_BROKER": "nas"}).backends) == {"x", "mqtt"}


def test_tokens_and_a_wide_address_are_the_authors_choice() -> None:
    assert loaded("version: 1\napi: {listen: '0.0.0.0:80'}\n").api.host == "0.0.0.0"
