"""Which network addresses are public, and which hosts a list of domains means; without I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

import msgspec

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
"""IANA's special-purpose IPv4 addresses, and the one where Azure answers its own machines."""
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20")
)
"""IANA's special-purpose addresses within the global unicast ones."""

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_IPV4_MASK = 0xFFFF_FFFF

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_public(address: str | IPAddress) -> bool:
    """Whether everybody may be sent to `address`: it is no loopback, private, link-local (cloud
    metadata among them), shared, multicast, unspecified, reserved or documentation address.

    An IPv6 form that carries an IPv4 address (mapped, 6to4, NAT64, Teredo) is as public as the
    addresses inside. A text that is no IP address is not public.
    """
    found = ip_address(address) if isinstance(address, str) else address
    if found is None:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_4)
    carried = _carried(found)
    if carried:
        return all(is_public(inner) for inner in carried)
    return found in _GLOBAL_6 and not any(found in network for network in _NOT_PUBLIC_6)


def ip_address(host: str) -> IPAddress | None:
    """The IP address that a host is, brackets and zone allowed; None for a name.

    Only the usual spelling counts: `127.1`, `0x7f000001` and `2130706433` are no addresses here
    (`looks_like_number` knows them).
    """
    try:
        found = ipaddress.ip_address(host.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id is not None:
        return ipaddress.IPv6Address(int(found))
    return found


def looks_like_number(host: str) -> bool:
    """Whether some programs would read a host as an IPv4 address that is not written as one:
    its last label is a decimal, octal or hexadecimal number.

    Source: the WHATWG URL standard, "ends in a number".
    """
    if ip_address(host) is not None:
        return False
    last = host.strip().removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None


def plain_host(host: str) -> str:
    """A host as it is compared: lower case, no brackets, no dot at the end, international names in
    their ASCII form, addresses in their shortest form, IPv4 ones out of their IPv6 form."""
    found = ip_address(host)
    if found is not None:
        return str(_unmapped(found))
    name = host.strip()
    if not name.isascii():
        name = _ascii_name(name)
    return name.lower().removesuffix(".")


class HostRule(msgspec.Struct, frozen=True):
    """One entry of a list of domains.

    `network` for addresses (`10.0.0.0/8`, `10.1.2.3`); else `domain`, with `apex` when the
    domain itself counts as well as what is below it.
    """

    domain: str = ""
    apex: bool = True
    network: IPNetwork | None = None


def host_rule(text: str) -> HostRule:
    """`example.com`: it and its subdomains. `.example.com`, `*.example.com`: its subdomains.
    `10.0.0.0/8`, `10.1.2.3`: hosts that are such addresses.

    Raises `ValueError` for a network that is none. Source: runtime.md §9.7.
    """
    text = text.strip()
    address = ip_address(text)
    if address is not None:
        return HostRule(network=ipaddress.ip_network(_unmapped(address)))
    if "/" in text:
        return HostRule(network=_unmapped_network(ipaddress.ip_network(text, strict=False)))
    below = text.removeprefix("*").removeprefix(".")
    return HostRule(domain=plain_host(below), apex=below == text)


def host_matches(rules: Sequence[HostRule], host: str) -> bool:
    """Whether one of the rules means `host`; names are not looked up."""
    plain = plain_host(host)
    address = ip_address(plain)
    return any(_rule_matches(rule, plain, address) for rule in rules)


def _rule_matches(rule: HostRule, host: str, address: IPAddress | None) -> bool:
    if address is not None or rule.network is not None:
        return address is not None and rule.network is not None and address in rule.network
    return (rule.apex and host == rule.domain) or host.endswith(f".{rule.domain}")


def _carried(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address leads to: for Teredo its server and its client."""
    bits = int(address)
    if address in _MAPPED or address in _NAT64:
        return (ipaddress.IPv4Address(bits & _IPV4_MASK),)
    if address in _6TO4:
        return (ipaddress.IPv4Address(bits >> 80 & _IPV4_MASK),)
    if address in _TEREDO:
        server, client = bits >> 64 & _IPV4_MASK, ~bits & _IPV4_MASK
        return ipaddress.IPv4Address(server), ipaddress.IPv4Address(client)
    return ()


def _unmapped(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def _unmapped_network(network: IPNetwork) -> IPNetwork:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = ipaddress.IPv4Address(int(network.network_address) & _IPV4_MASK)
        return ipaddress.IPv4Network((inner, network.prefixlen - 96))
    return network


def _ascii_name(name: str) -> str:
    """The ASCII form by the rules that browsers and our HTTP client follow."""
    import idna

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return name
