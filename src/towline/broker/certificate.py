"""The certificate that a server shows: for whom it is, by whom, until when."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime

from towline.broker.server import Server

_NAMES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What people need to know of one."""

    names: tuple[str, ...]
    issuer: str
    expires: datetime

    def __str__(self) -> str:
        names = ", ".join(self.names[:_NAMES]) or "nobody"
        return f"for {names}; by {self.issuer}; until {self.expires:%Y-%m-%d}"


async def certificate_of(at: Server, context: ssl.SSLContext | None) -> Certificate:
    """What a server shows; without a context it is not verified. `OSError` where none is had."""
    if context is None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(
        at.address or at.host, at.port, ssl=context, server_hostname=at.host
    )
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return _read(found or b"")


def _read(data: bytes) -> Certificate:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_der_x509_certificate(data)
        try:
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            hosts = [str(each.value) for each in names]
        except x509.ExtensionNotFound:
            hosts = [
                str(each.value)
                for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            ]
        expires = found.not_valid_after_utc
        issuer = found.issuer.rfc4514_string()
    except ValueError as exc:
        raise OSError("the server's certificate cannot be read") from exc
    return Certificate(names=tuple(hosts), issuer=issuer, expires=expires)
