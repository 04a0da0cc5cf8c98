import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ForbiddenAddress, InvalidSettings
from affineur.http.addresses import AddressPolicy, Reach, literal, reach_of


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "::ffff:0:169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1::808:808",
        "ff05::1:3",
        "fe80::5efe:8.8.8.8",
    ],
)
def test_nobody_may_ask_these(text: str) -> None:
    """RFC 6890's link-local, unspecified, multicast and reserved ranges; metadata services as their clouds document."""
    assert reach_of(ipaddress.ip_address(text)) is None
    with pytest.raises(ForbiddenAddress):
        AddressPolicy().check_address(text, ipaddress.ip_address(text), Reach.OWN)


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.255.255.254", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("64:ff9b::7f00:1", Reach.LOOPBACK),
        ("::ffff:0:127.0.0.1", Reach.LOOPBACK),
        ("::7f00:1", Reach.LOOPBACK),
        ("2002:7f00:1::", Reach.LOOPBACK),
        ("64:ff9b::a00:1", Reach.PRIVATE),
        ("::ffff:0:10.0.0.1", Reach.PRIVATE),
        ("fec0::1", Reach.PRIVATE),
        ("2001:0:1234::1", Reach.PRIVATE),
        ("fd00::5efe:8.8.8.8", Reach.PRIVATE),
        ("64:ff9b::808:808", Reach.PUBLIC),
        ("2002:808:808::1", Reach.PUBLIC),
        ("10.0.0.1", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("172.31.255.255", Reach.PRIVATE),
        ("192.168.1.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd12:3456::1", Reach.PRIVATE),
        ("2002:0a00:0001::1", Reach.PRIVATE),
        ("172.32.0.1", Reach.PUBLIC),
        ("8.8.8.8", Reach.PUBLIC),
        ("2a00:1450:4001::1", Reach.PUBLIC),
    ],
)
def test_how_local_an_address_is(text: str, reach: Reach) -> None:
    assert reach_of(ipaddress.ip_address(text)) is reach


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_ipv6(address: ipaddress.IPv4Address) -> None:
    """RFC 4291 § 2.5.5.2: an IPv4-mapped address *is* that IPv4 address to the socket."""
    assert reach_of(ipaddress.IPv6Address(f"::ffff:{address}")) == reach_of(address)


@given(st.ip_addresses())
def test_what_is_reachable_for_a_stranger_is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Second witness: the standard library's own table of RFC 6890."""
    if reach_of(address) is Reach.PUBLIC and address.version == 4:
        assert address.is_global


@pytest.mark.parametrize(("reach", "asked"), [(Reach.PUBLIC, False), (Reach.PRIVATE, True), (Reach.OWN, True)])
def test_a_private_address_needs_a_reason(reach: Reach, asked: bool) -> None:
    address = ipaddress.ip_address("10.0.0.1")
    if asked:
        assert AddressPolicy().check_address("x", address, reach) is Reach.PRIVATE
    else:
        with pytest.raises(ForbiddenAddress, match="private network"):
            AddressPolicy().check_address("x", address, reach)


def test_with_a_list_of_allowed_names_others_are_refused_before_they_are_looked_up() -> None:
    policy = AddressPolicy(["127.0.0.0/8", "Registry.Example."])
    policy.check_name("registry.example", Reach.PUBLIC)
    policy.check_name("localhost", Reach.OWN)
    policy.check_name("127.0.0.1", Reach.OWN)
    for host in ("evil.example", "registry.example.evil.example", "10.0.0.1", "8.8.8.8", "::1", "[::1]"):
        with pytest.raises(ForbiddenAddress):
            policy.check_name(host, Reach.OWN)


def test_an_allowed_name_does_not_open_what_is_never_asked() -> None:
    policy = AddressPolicy(["registry.example"])
    with pytest.raises(ForbiddenAddress):
        policy.check_address("registry.example", ipaddress.ip_address("169.254.169.254"), Reach.OWN)


def test_an_allowed_network_holds_for_ipv4_inside_ipv6() -> None:
    policy = AddressPolicy(["127.0.0.0/8"])
    assert policy.check_address("x", ipaddress.ip_address("::ffff:127.0.0.1"), Reach.OWN) is Reach.LOOPBACK


@pytest.mark.parametrize("entry", ["127.0.0.1/8", "10.0.0.0/33", ""])
def test_a_network_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(InvalidSettings):
        AddressPolicy([entry])


def test_literals() -> None:
    assert literal("[::1]") == ipaddress.ip_address("::1")
    assert literal("127.1") is None  # what a resolver makes of it is checked after it was resolved
