"""Networks: at which addresses a shadow may be."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Where clouds hand out credentials to whoever asks from inside; no model is served there.
_FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def parse_network(text: str) -> Network:
    """A network from its CIDR, as in `10.0.0.0/8`; a lone address is a network of one.

    Raises:
        ValueError: the text is none; the message says how to write it.

    """
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network: write 10.0.0.0/8, fd00::/8 or one address") from None
    raise ValueError(f"{text!r} is not a network, but an address in one: write {meant}")


def numeric(host: str) -> str:
    """The address that a host's text is, as in `2852039166`; empty for a name."""
    try:
        return host if ":" in host else socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return ""


def refusal(address: str, networks: Sequence[Network]) -> str:
    """Why no shadow can be at a numeric address, or nothing; without networks, only a few are refused."""
    if is_forbidden(address):
        return f"{address}, where clouds keep credentials"
    found = _unmapped(address)
    if networks and not any(found in network for network in networks):
        return f"{address}, which is not in SHADOW_TARGET_NETWORKS ({', '.join(map(str, networks))})"
    return ""


def is_forbidden(address: str) -> bool:
    """True for a numeric address that no shadow can have: link-local, or a cloud's metadata service."""
    found = _unmapped(address)
    if isinstance(found, ipaddress.IPv6Address):
        found = found.sixtofour or _behind_nat64(found) or found
    return any(found in network for network in _FORBIDDEN)


def is_public(address: str) -> bool:
    """True for an address that the world can route to, and that the way to it leads through."""
    return _unmapped(address).is_global


def _unmapped(address: str) -> _Address:
    """What the kernel dials: an IPv4 address that is written as one of IPv6 is the former."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
