"""Which network addresses a target may have.

A target's URL comes from an administrator, but the name in it is resolved by whoever owns the zone. So the address is
judged, not the name: public addresses may be reached, private and loopback ones only inside a network that the operator
allowed, and link-local and cloud metadata addresses never, whatever was allowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Every private and loopback network: what `SLUICE_ALLOW_PRIVATE_TARGETS` stands for.
PRIVATE_NETWORKS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "fc00::/7",
    "::1/128",
)

# Metadata services hand out credentials of the machine to whoever asks; the ranges around them serve no application.
_NEVER: tuple[tuple[Network, str], ...] = (
    (ip_network("169.254.0.0/16"), "link-local, where clouds serve metadata"),
    (ip_network("fe80::/10"), "link-local"),
    (ip_network("fd00:ec2::/32"), "a cloud metadata service (Amazon)"),
    (ip_network("fd20:ce::/32"), "a cloud metadata service (Google)"),
    (ip_network("100.100.100.200/32"), "a cloud metadata service (Alibaba)"),
    (ip_network("192.0.0.192/32"), "a cloud metadata service (Oracle)"),
    (ip_network("168.63.129.16/32"), "a cloud metadata service (Azure)"),
    (ip_network("0.0.0.0/8"), "no address of a host"),
    (ip_network("::/128"), "no address of a host"),
    (ip_network("224.0.0.0/4"), "multicast"),
    (ip_network("ff00::/8"), "multicast"),
    (ip_network("240.0.0.0/4"), "reserved"),
)

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


@cache
def networks(cidrs: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks of CIDR notations; host bits may be set. Raises ValueError that names the bad one."""
    return tuple(ip_network(cidr.strip(), strict=False) for cidr in cidrs)


def refusal(address: str, allow: Iterable[Network]) -> str | None:
    """Why a target may not have this address, or None when it may."""
    allowed = tuple(allow)
    for candidate in _meanings(ip_address(address)):
        reason = _judge(candidate, allowed)
        if reason is not None:
            return reason
    return None


def _judge(address: Address, allow: tuple[Network, ...]) -> str | None:
    for network, reason in _NEVER:
        if address in network:
            return reason
    if address.is_global or any(address in network for network in allow):
        return None
    return "private or loopback, and not in an allowed network"


def _meanings(address: Address) -> tuple[Address, ...]:
    """The address, or the IPv4 address inside it where packets to it may end up there (RFC 4291 2.5.5, 3056, 6052)."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    if address.teredo is not None:
        return (address, *address.teredo)
    return (address,)
