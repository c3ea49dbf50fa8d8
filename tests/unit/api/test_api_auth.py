from __future__ import annotations

import httpx
import pytest

from tests.unit.api.world import World, client, token
from towline.api.auth import SCOPES, Asker, Gate, bearer, is_loopback
from towline.api.routes import ENDPOINTS, Endpoint

READER = token("reader-text", "read")
KEEPER = token("keeper-text", "read", "operate")
OWNER = token("owner-text", "admin")
TOKENS = (READER, KEEPER, OWNER)
LAN = "192.168.1.20"


def gate(*, tokens: bool = False, host: str = "127.0.0.1", ingress: str = "") -> Gate:
    return Gate(TOKENS if tokens else (), host=host, names=("pi", "pi.local"), ingress=ingress)


def code(gate: Gate, asker: Asker, scope: str = "read") -> str:
    refusal = gate.admit(asker, scope)
    return refusal.code if refusal else ""


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        (LAN, "loopback_only"),
        ("::ffff:192.168.1.20", "loopback_only"),
        ("", "loopback_only"),
        ("testclient", "loopback_only"),
    ],
)
def test_without_tokens_only_this_machine_is_served(peer: str, expected: str) -> None:
    assert code(gate(host="0.0.0.0"), Asker(peer=peer), "admin") == expected


def test_ingress_is_believed_only_from_the_address_it_was_told() -> None:
    asker = Asker(peer="172.30.32.2", headers={"host": "home.example.org"})
    under_supervisor = gate(host="0.0.0.0", ingress="172.30.32.2")
    assert code(under_supervisor, asker, "operate") == ""
    assert code(under_supervisor, asker, "admin") == "scope_missing"
    assert code(gate(host="0.0.0.0"), asker) == "loopback_only"


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ({}, "ingress"),
        ({"x-remote-user-name": "anna"}, "anna (ingress)"),
        (
            {
                "x-remote-user-name": "a",
                "x-remote-user-display-name": "Zoë".encode().decode("latin-1"),
            },
            "Zoë (ingress)",
        ),
        ({"x-remote-user-display-name": "a\x1b[2J" + "b" * 99}, f"a[2J{'b' * 60} (ingress)"),
        ({"x-remote-user-display-name": "\x07"}, "ingress"),
    ],
)
def test_home_assistant_says_who_asks_through_ingress(named: dict[str, str], shown: str) -> None:
    under_supervisor = gate(host="0.0.0.0", ingress="172.30.32.2")
    assert under_supervisor.who(Asker(peer="172.30.32.2", headers=named)) == shown
    assert under_supervisor.who(Asker(peer=LAN, headers=named)) == LAN


def test_loopback_trust_ends_at_a_proxy() -> None:
    asker = Asker(peer="127.0.0.1", headers={"host": "localhost", "x-forwarded-for": LAN})
    assert code(gate(), asker) == "loopback_only"
    assert code(gate(tokens=True), asker) == "token_missing"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8099", ""),
        ("127.0.0.1:8099", ""),
        ("[::1]:8099", ""),
        ("192.168.1.5", ""),
        ("PI.local:8099", ""),
        ("other.local", ""),
        ("pi", ""),
        ("", ""),
        ("evil.example", "foreign_host"),
        ("localhost.evil.example", "foreign_host"),
        ("127.0.0.1.evil.example", "foreign_host"),
        ("evil.example:8099", "foreign_host"),
    ],
)
def test_trust_by_address_asks_for_a_host_that_is_ours(host: str, expected: str) -> None:
    asker = Asker(peer="127.0.0.1", headers={"host": host} if host else {})
    assert code(gate(), asker) == expected


def test_a_token_needs_no_name_of_ours() -> None:
    asker = Asker(peer=LAN, headers={"host": "logs.example.org"}, token="reader-text")
    assert code(gate(tokens=True, host="0.0.0.0"), asker) == ""


@pytest.mark.parametrize(
    ("origin", "host", "forwarded", "expected"),
    [
        (None, "localhost:8099", None, ""),
        ("http://localhost:8099", "localhost:8099", None, ""),
        ("https://home.example.org", "home.example.org", None, ""),
        ("https://home.example.org", "home.example.org:443", None, ""),
        ("https://home.example.org", "127.0.0.1:8099", "home.example.org", ""),
        ("http://evil.example", "localhost:8099", None, "foreign_origin"),
        ("http://localhost:1", "localhost:8099", None, "foreign_origin"),
        ("null", "localhost:8099", None, "foreign_origin"),
        ("", "localhost:8099", None, "foreign_origin"),
    ],
)
def test_a_page_from_elsewhere_may_change_nothing(
    origin: str | None, host: str, forwarded: str | None, expected: str
) -> None:
    given = {"origin": origin, "host": host, "x-forwarded-host": forwarded}
    headers = {name: value for name, value in given.items() if value is not None}
    asker = Asker(peer="127.0.0.1", headers=headers, token="owner-text", unsafe=True)
    assert code(gate(tokens=True), asker) == expected


def test_a_token_is_needed_even_from_this_machine_when_listening_wider() -> None:
    wide = gate(tokens=True, host="0.0.0.0")
    assert code(wide, Asker(peer="127.0.0.1")) == "token_missing"
    assert code(gate(tokens=True), Asker(peer="127.0.0.1")) == ""


def test_a_wrong_token_is_refused_even_where_none_is_needed() -> None:
    assert code(gate(tokens=True), Asker(peer="127.0.0.1", token="guess")) == "token_wrong"


def test_a_token_that_is_a_hash_does_not_open_its_own_door() -> None:
    wide = gate(tokens=True, host="0.0.0.0")
    assert code(wide, Asker(peer=LAN, token=READER.hash)) == "token_wrong"


def test_only_a_bearer_header_carries_a_token() -> None:
    assert bearer({"authorization": "bearer  abc"}) == "abc"
    assert bearer({"authorization": "Basic abc"}) == ""
    assert bearer({}) == ""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_loopback_has_several_names(name: str) -> None:
    assert is_loopback(name)


# made from the table, so that a new route cannot be forgotten; live ones are tried over sockets
STILL = [endpoint for endpoint in ENDPOINTS if not endpoint.live]
GRANTS = [("", "public"), ("reader-text", "read"), ("keeper-text", "operate")]


@pytest.mark.parametrize("endpoint", STILL, ids=lambda e: f"{e.method} {e.path}")
@pytest.mark.parametrize(("text", "scope"), GRANTS)
async def test_every_endpoint_opens_for_its_scope_and_no_less(
    world: World, endpoint: Endpoint, text: str, scope: str
) -> None:
    path = endpoint.path.replace("{id}", "x").replace("{name}", "mqtt")
    headers = {"Authorization": f"Bearer {text}"} if text else {}
    async with client(world, tokens=TOKENS, host="0.0.0.0", peer=LAN) as api:
        answer = await api.request(endpoint.method, path, headers=headers)
    refused = answer.status_code in {401, 403}
    assert refused == (SCOPES.index(endpoint.scope) > SCOPES.index(scope)), answer.text
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_in_an_address_is_not_taken_but_for_live_records(world: World) -> None:
    async with client(world, tokens=TOKENS, host="0.0.0.0", peer=LAN) as api:
        assert (await api.get("/api/v1/status?token=reader-text")).status_code == 401


async def test_the_page_is_served_to_everyone(world: World) -> None:
    async with client(world, tokens=TOKENS, host="0.0.0.0", peer=LAN) as api:
        assert (await api.get("/")).status_code == 200


async def test_unsafe_methods_from_a_foreign_page_change_nothing(
    world: World, api: httpx.AsyncClient
) -> None:
    path = f"/api/v1/logs/{'a' * 64}/attach"
    answer = await api.post(path, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
    assert not world.attached
