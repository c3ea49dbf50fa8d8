from __future__ import annotations

import errno
import socket
import ssl

import pytest

from towline.broker.login import client_id
from towline.broker.reasons import network_reason, reason
from towline.broker.server import Server, claims, server
from towline.config.brokers import Broker
from towline.config.settings import Secret
from towline.config.tls import Tls


def settings(**members: object) -> Broker:
    given = {
        "servers": ("mqtt://a", "mqtts://b:1"),
        "username": "",
        "password": Secret(""),
        "client_id": "towline-{device}",
        "keep_alive": 60.0,
        "clean_session": False,
        "session_expiry": 86400.0,
        "version": "auto",
        "fail_back": 60.0,
        "tls": Tls(ca="", cert="", key=Secret(""), verify=True),
        "alpn": (),
        "will": None,
    }
    return Broker(**{**given, **members})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", Server("mqtt", "broker", 1883)),
        ("mqtts://broker", Server("mqtts", "broker", 8883)),
        ("mqtt://[::1]:1884", Server("mqtt", "::1", 1884)),
    ],
)
def test_a_server_has_the_usual_port_unless_it_says_another(url: str, expected: Server) -> None:
    assert server(url) == expected


@pytest.mark.parametrize("url", ["http://broker", "mqtt://", "mqtt://user@broker", "mqtt://b/x"])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        server(url)


def test_a_connection_claims_its_client_id_at_every_server() -> None:
    assert client_id(settings(), "pi") == "towline-pi"
    assert claims(settings(), "pi") == {"towline-pi@a:1883", "towline-pi@b:1"}


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 111] b"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "name not found"),
        (TimeoutError(), "no answer"),
        (OSError(errno.ENETUNREACH, "x"), "network is unreachable"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), "TLS failed: unknown"),
    ],
)
def test_a_network_error_is_told_in_words(exc: OSError, words: str) -> None:
    assert network_reason(exc) == words


def test_every_reason_code_has_words() -> None:
    assert reason(5) == "not authorised"
    assert reason(0xEE) == "refused with code 0xee"
