"""Which addresses are public, and which hosts a list of domains means."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.addresses import (
    host_matches,
    host_rule,
    ip_address,
    is_public,
    looks_like_number,
    plain_host,
)
from tests.requirements import requirement

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::8.8.8.8 100::1 100:0:0:1::1
2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:0a00:0001::1 2002:c0a8:101::
2001:0:7f00:1::f7f7:f7f7 2001:0:808:808::80ff:fffe 3fff::1 5f00::1 4000::1
fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
"""

NO_ADDRESS = """
127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 localhost example.com 8.8.8.8. 8.8.8.8/32
"""

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.1 169.253.255.255 172.15.255.255 172.32.0.1
192.0.1.1 198.17.255.255 198.20.0.1 223.255.255.255 2606:4700:4700::1111 2a00:1450:4001:81b::200e
2620:4f:8000::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:0:808:808::f7f7:f7f7
2001:4860:4860::8888 [2606:4700:4700::1111] 3ffe::1
"""


@requirement("web:addresses:public")
@pytest.mark.parametrize("address", [*NOT_PUBLIC.split(), *NO_ADDRESS.split(), "", " "])
def test_an_address_of_a_special_purpose_is_not_public(address: str) -> None:
    """runtime.md §9.7, SSRF: loopback, private, link-local and the like, in every IPv6 form."""
    assert not is_public(address)


@requirement("web:addresses:public")
@pytest.mark.parametrize("address", PUBLIC.split())
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """runtime.md §9.7: what lies just beside the special ranges can be reached."""
    assert is_public(address)


@requirement("web:addresses:public")
@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_as_special(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """runtime.md §9.7: the standard library's own classes are all refused."""
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped
        or address.sixtofour
        or address.teredo
        or address in ipaddress.ip_network("64:ff9b::/96")
    ):
        return
    assert not (special and is_public(address))


@requirement("web:addresses:public")
@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_a_carried_address_decides(
    inner: ipaddress.IPv4Address, other: ipaddress.IPv4Address
) -> None:
    """runtime.md §9.7: mapped, 6to4, NAT64 and Teredo forms are judged by what is inside."""
    bits = int(inner)
    for form in (0xFFFF << 32 | bits, 0x64FF9B << 96 | bits, 0x2002 << 112 | bits << 80 | 1):
        assert is_public(ipaddress.IPv6Address(form)) == is_public(inner)
    teredo = ipaddress.IPv6Address(
        0x20010000 << 96 | int(other) << 64 | 0x8000 << 48 | bits ^ 0xFFFFFFFF
    )
    assert teredo.teredo == (other, inner)
    assert is_public(teredo) == (is_public(inner) and is_public(other))


@requirement("web:addresses:public")
@given(st.ip_addresses())
def test_text_and_value_of_an_address_are_judged_alike(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """runtime.md §9.7: the spelling does not count."""
    for text in (str(address), address.exploded, f" {address} ", f"[{address}]"):
        assert is_public(text) == is_public(address)
        assert ip_address(text) == address


MATCHES = [
    ("example.com", "example.com", True),
    ("example.com", "www.example.com", True),
    ("example.com", "a.b.EXAMPLE.com.", True),
    ("example.com", "notexample.com", False),
    ("example.com", "example.com.evil.net", False),
    ("Example.COM.", "example.com", True),
    (".example.com", "example.com", False),
    (".example.com", "www.example.com", True),
    ("*.example.com", "example.com", False),
    ("*.example.com", "www.example.com", True),
    ("*.example.com", "xexample.com", False),
    ("10.0.0.0/8", "10.1.2.3", True),
    ("10.0.0.0/8", "::ffff:10.1.2.3", True),
    ("10.0.0.0/8", "[::ffff:a01:203]", True),
    ("10.0.0.0/8", "11.1.2.3", False),
    ("10.0.0.0/8", "example.com", False),
    ("10.1.2.3/8", "10.200.0.1", True),
    ("::ffff:10.0.0.0/104", "10.1.2.3", True),
    ("2001:db8::/32", "[2001:db8::7]", True),
    ("2001:db8::/32", "10.0.0.1", False),
    ("10.1.2.3", "10.1.2.3", True),
    ("10.1.2.3", "::ffff:10.1.2.3", True),
    ("10.1.2.3", "10.1.2.4", False),
    ("10.1.2.3", "x.10.1.2.3", False),
    ("[2001:DB8::1]", "2001:db8:0::1", True),
    ("::/0", "8.8.8.8", False),
    ("bücher.example", "xn--bcher-kva.example", True),
    ("xn--bcher-kva.example", "www.BÜCHER.example", True),
    ("straße.de", "xn--strae-oqa.de", True),
    ("example.com", "\uff45xample.com", True),
    ("a_b.example", "a_b.example", True),
    ("com", "example.com", True),
]


@requirement("web:addresses:hosts")
@pytest.mark.parametrize(("rule", "host", "expected"), MATCHES)
def test_a_domain_means_itself_and_its_subdomains(rule: str, host: str, expected: bool) -> None:
    """runtime.md §9.7, domain match."""
    assert host_matches([host_rule("other.example"), host_rule(rule)], host) is expected


@requirement("web:addresses:hosts")
@given(st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){1,2}\Z"))
def test_no_domain_means_a_longer_word(domain: str) -> None:
    """runtime.md §9.7: only whole labels count."""
    assert host_matches([host_rule(domain)], f"sub.{domain}")
    assert not host_matches([host_rule(domain)], f"x{domain}")
    assert not host_matches([host_rule(f".{domain}")], domain)
    assert plain_host(plain_host(domain)) == plain_host(domain)


@requirement("web:addresses:hosts")
def test_a_network_that_is_none_is_an_error() -> None:
    """agent-file.md §2.9: a bad CIDR."""
    with pytest.raises(ValueError):
        host_rule("10.0.0.0/64")


@requirement("web:addresses:spellings")
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.1", True), ("2130706433", True), ("0x7f.1", True), ("0x7f000001", True)),
        *(("0177.0.0.1", True), ("1.2.3.4.5", True), ("127.0.0.1.", True), ("0x", True)),
        *(("127.0.0.1", False), ("[::1]", False), ("::1", False), ("example.com", False)),
        *(("1and1.com", False), ("a.0xg", False), ("0x.example", False), ("", False)),
    ],
)
def test_other_spellings_of_addresses_are_known(host: str, expected: bool) -> None:
    """runtime.md §9.7, SSRF: `2130706433` and `0x7f.1` mean 127.0.0.1 to some programs."""
    assert looks_like_number(host) is expected
