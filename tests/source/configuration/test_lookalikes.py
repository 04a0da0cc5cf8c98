"""Look-alikes of well-known registries: slips and tricks are spoken of, other people's names are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.oci.reference import Reference
from affineur.source.configuration.lookalikes import WELL_KNOWN, lookalike


def warned(registry: str) -> str | None:
    return lookalike(Reference(registry, "team/app", "1"))


@pytest.mark.parametrize(
    ("registry", "known"),
    [
        ("dockr.io", "docker.io"),  # a letter left out
        ("dcoker.io", "docker.io"),  # two swapped
        ("doccker.io", "docker.io"),
        ("docket.io:443", "docker.io"),
        ("DOCKRE.IO", "docker.io"),
        ("docker.oi", "docker.io"),
        ("d0cker.io", "docker.io"),  # read alike
        ("ghcr.1o", "ghcr.io"),
        ("rncr.microsoft.com", "mcr.microsoft.com"),
        ("registry.access.redhat.corn", "registry.access.redhat.com"),
        ("xn--dcker-jye.io", "docker.io"),  # о of Cyrillic
        ("docker.com", "docker.io"),  # another ending
        ("docker.co", "docker.io"),
        ("quay.com", "quay.io"),
        ("ghcr.com", "ghcr.io"),
        ("docker.io.example", "docker.io"),  # somebody else's, with the name in it
        ("docker.io-registry.example:5000", "docker.io"),
        ("docker-io.example", "docker.io"),
        ("registry-docker.io", "docker.io"),
        ("mcr.micrsoft.com", "mcr.microsoft.com"),
        ("mcr.mircosfot.com", "mcr.microsoft.com"),
        ("registry.acess.redhat.com", "registry.access.redhat.com"),
        ("pubic.ecr.aws", "public.ecr.aws"),
        ("registry.k8.io", "registry.k8s.io"),
    ],
)
def test_what_may_be_taken_for_a_known_one(registry: str, known: str) -> None:
    assert (warned(registry) or "").startswith(f"{registry} is not {known}, though ")


def test_letters_of_elsewhere_are_shown() -> None:
    """RFC 3492 § 7.1 (H): a Spanish label."""
    sentence = warned("registry.xn--fiqs8s") or ""
    assert sentence.startswith("registry.xn--fiqs8s reads 'registry.中国'")


@pytest.mark.parametrize("registry", WELL_KNOWN)
def test_known_ones_and_what_is_below_them(registry: str) -> None:
    assert [warned(each) for each in (registry, f"eu.{registry}", f"{registry.upper()}:443", f"{registry}.")] == [
        None
    ] * 4


NAMES = """
    registry docker docker-registry containers images img hub cr harbor nexus artifactory gitlab quay gitea forgejo
    mirror cache oci reg registry-1 docker-hub dockerhub pull-through ecr gcr acr proxy releases dev
"""
DOMAINS = """
    corp.example acme.example.com build.example.org lab.example.net example.com acme-cloud.example acme.lan
    acme.internal acme.local k8s.acme.example svc.cluster.local
"""
ORDINARY = [f"{name}.{domain}" for name in NAMES.split() for domain in DOMAINS.split()]


def test_no_false_alarm_for_how_people_name_their_own() -> None:
    assert len(ORDINARY) > 300
    for port in ("", ":5000"):
        assert [each for each in ORDINARY if warned(each + port)] == []


@pytest.mark.parametrize(
    "registry",
    """
    localhost localhost:5000 127.0.0.1:5000 [::1]:5000 10.0.0.1 docker docker.lan quay.internal ghcr.mirror.example
    mirror.docker.io.example.lan kind-registry:5000 a.example io
    """.split(),  # noqa: SIM905
)
def test_nor_for_addresses_and_names_of_a_house(registry: str) -> None:
    assert warned(registry) is None


@given(st.text(st.sampled_from("abdockergqui0-.:[]x1n"), max_size=30), st.sampled_from(["", "xn--", "docker.io"]))
def test_any_text_is_judged(text: str, before: str) -> None:
    sentence = warned(before + text)
    assert sentence is None or sentence.startswith(before + text)
