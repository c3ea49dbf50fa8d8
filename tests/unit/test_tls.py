from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import voluptuous as vol

from tests.real.certificates import Authority
from towline.config.settings import Secret
from towline.config.tls import TLS, Tls, tls_doubts
from towline.tls import Credentials


def settings(**written: object) -> Tls:
    return TLS(written)  # type: ignore[no-any-return]


async def test_without_a_word_the_systems_authorities_are_trusted_and_hosts_are_checked(
    tmp_path: Path,
) -> None:
    context = await Credentials(settings(), tmp_path).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_an_authority_of_ones_own_is_the_only_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    as_path = await Credentials(settings(ca=authority.ca.name), tmp_path).context()
    as_text = await Credentials(settings(ca=authority.ca.read_text()), Path("/")).context()
    for context in (as_path, as_text):
        assert [found["subject"] for found in context.get_ca_certs()] == [
            ((("commonName", "authority"),),)
        ]


async def test_a_key_is_a_path_or_a_text_and_never_on_the_disk(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("client")
    for given in (key.name, key.read_text()):
        held = settings(cert=certificate.name, key=Secret(given))
        await Credentials(held, tmp_path).context()
        assert given not in repr(held)


async def test_a_file_that_changed_counts_from_the_next_connection_on(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority(tmp_path, "old").ca.read_bytes())
    credentials = Credentials(settings(ca="ca.pem"), tmp_path)
    before = await credentials.context()
    assert await credentials.context() is before
    fresh = tmp_path / "fresh"
    fresh.write_bytes(Authority(tmp_path, "new").ca.read_bytes())
    os.replace(fresh, path)
    after = await credentials.context()
    assert after.get_ca_certs()[0]["subject"] == ((("commonName", "new"),),)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"ca": "gone.pem"}, "tls.ca cannot be read: no such file or directory"),
        ({"ca": "junk"}, "tls.ca holds no certificate in PEM form"),
        ({"ca": "a\0b"}, "tls.ca is neither a path nor PEM text"),
        ({"cert": "junk"}, "tls.cert and tls.key cannot be used"),
        ({"cert": "client.crt", "key": "other.key"}, "tls.cert and tls.key cannot be used"),
        ({"cert": "client.crt", "key": "locked.key"}, "tls.cert and tls.key cannot be used"),
    ],
)
async def test_what_cannot_be_used_is_told_without_a_secret(
    tmp_path: Path, written: dict[str, str], told: str
) -> None:
    (tmp_path / "junk").write_text("junk")
    authority = Authority(tmp_path)
    authority.issue("client")
    authority.issue("other")
    (tmp_path / "locked.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n")
    with pytest.raises(OSError, match=told):
        await Credentials(settings(**written), tmp_path).context()


@pytest.mark.parametrize(
    "written", [{"key": "k.pem"}, {"ca": "ca.pem", "verify": False}, {"verify": "no"}, {"cart": ""}]
)
def test_a_wrong_value_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(vol.Invalid):
        settings(**written)


def test_a_server_that_may_be_anyone_is_worth_a_warning() -> None:
    assert [doubt.code for doubt in tls_doubts(settings(verify=False))] == ["unverified"]
    assert not list(tls_doubts(settings()))
