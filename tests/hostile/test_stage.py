"""The stage itself: without a trick everything is read, and the image accepted; the guards see what they are for."""

import ipaddress

import pytest

from support.hostile import MANIFEST, HostileRegistry, Line, reply
from support.hostile_network import Network
from support.hostile_victim import READING, Victim


def test_the_good_image_is_accepted_without_a_trick(victim: Victim) -> None:
    victim.acceptable = True
    for victim.registry.demands in ("nothing", "basic", "bearer"):
        for command in (*READING, "tags"):
            outcome = victim.run(command)
            assert outcome.code == 0, outcome
            assert outcome.document


def test_an_acceptance_is_noticed(victim: Victim) -> None:
    with pytest.raises(AssertionError, match="accepted"):
        victim.run("assess")


def test_a_connection_elsewhere_is_noticed(network: Network) -> None:
    with pytest.raises(pytest.fail.Exception):
        network.connect(ipaddress.ip_address("10.0.0.1"), 80, 1)
    assert network.forbidden == ["10.0.0.1"]


def test_a_secret_in_the_output_is_noticed(victim: Victim, good: object) -> None:
    victim.registry.image([], change=lambda manifest: manifest.update(annotations={"a": victim.registry.password}))
    with pytest.raises(AssertionError, match="a secret in the output"):
        victim.run("inspect")


def test_a_secret_sent_elsewhere_is_noticed(victim: Victim, other: HostileRegistry) -> None:
    """The registry knows the secret, and may make the victim carry it away in a URL."""
    victim.others.append(other)
    where = f"{other.url}/?{victim.registry.password}"
    victim.registry.tricks[MANIFEST] = reply(b"", 307, ("Location", where))
    with pytest.raises(AssertionError, match="a secret"):
        victim.run("packages")


def test_an_endless_answer_that_is_taken_is_noticed(victim: Victim) -> None:
    def endless(asked: object, line: Line) -> None:
        line.flood(b"x", 1)

    victim.registry.tricks[MANIFEST] = endless
    with pytest.raises(AssertionError, match="endless"):
        victim.run("packages")


def test_bytes_are_counted_where_they_are_read(victim: Victim) -> None:
    victim.acceptable = True
    outcome = victim.run("packages")
    assert 0 <= victim.registry.sent - outcome.read < 200  # the answer to the question whether it speaks TLS
