"""Which addresses a test of settings may connect to: it must not look where others could not."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from towline.broker.server import Server

# Where clouds tell their machines secrets; other such addresses are link-local.
_METADATA: Final = frozenset(
    map(ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"))
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Guard:
    """Says why not, or nothing. `configured` servers (host:port) may be tested at any address;
    `local` is whether a person of this machine asks.
    """

    def __init__(self, configured: Collection[str] = (), *, local: bool = False) -> None:
        self._configured = frozenset(configured)
        self._local = local

    def __call__(self, at: Server, address: str) -> str:
        """Why an address of a server may not be tried; empty where it may."""
        if at.text in self._configured:
            return ""
        found = _plain(address)
        if found is None or found.is_link_local or found.is_unspecified or found.is_multicast:
            return f"{address} is no address for a broker"
        if found.is_loopback:
            told = f"{address} is this machine itself: add the broker to the configuration first"
            return "" if self._local else told
        if found in _METADATA or found.is_reserved:
            return f"{address} is no address for a broker"
        return ""


def _plain(address: str) -> IPv4Address | IPv6Address | None:
    """The address itself, where IPv6 wraps one of IPv4."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        wrapped = found.ipv4_mapped or found.sixtofour
        if wrapped is None and found in _NAT64:
            wrapped = IPv4Address(int(found) & 0xFFFFFFFF)
        return wrapped or found
    return found
