"""What an image's repositories do otherwise than its distribution, as data."""

from affineur.repositories.rpmmd.deviations import deviations
from affineur.repositories.rpmmd.model import Fetched, Repository, RpmConfiguration, Trust
from affineur.repositories.rpmmd.published import Published
from affineur.repositories.rpmmd.reference import ReferenceRepository

SAFE = Repository("safe", "Safe", ("https://repo.example/",), gpgcheck=True, path="etc/yum.repos.d/a.repo", line=1)
ODD = Repository(
    "odd",
    "Odd",
    ("http://repo.example/",),
    sslverify=False,
    credentials=True,
    exclude=("kernel*",),
    includepkgs=("a", "b"),
    client_certificate="/etc/pki/entitlement/1.pem",
    path="etc/yum.repos.d/b.repo",
    line=7,
)
OFF = Repository("off", "Off", ("http://repo.example/",), enabled=False)


def found(configuration: RpmConfiguration, *more: Fetched) -> list[tuple[str, str]]:
    return [(kind, where) for kind, _, where in deviations(configuration, more, (), {"A" * 40})]


def test_a_plain_repository_is_none() -> None:
    assert found(RpmConfiguration((SAFE, OFF), "dnf", "x86_64", "9")) == []


def test_every_kind() -> None:
    configuration = RpmConfiguration((SAFE, ODD), "dnf", "x86_64", "9", exclude=("x",), locks=("bash-0:5-1.*",))
    signed = Fetched(SAFE, "https://repo.example/", None, Trust(""), signers=("B" * 40,))
    assert found(configuration, signed) == [
        ("gpgcheck", "/etc/yum.repos.d/b.repo:7"),
        ("sslverify", "/etc/yum.repos.d/b.repo:7"),
        ("credentials", "/etc/yum.repos.d/b.repo:7"),
        ("plain-http", "/etc/yum.repos.d/b.repo:7"),
        ("entitlement", "/etc/yum.repos.d/b.repo:7"),
        ("exclude", "/etc/yum.repos.d/b.repo:7"),
        ("unknown-key", "/etc/yum.repos.d/a.repo:1"),
        ("exclude", "/etc/dnf/dnf.conf"),
        ("hold", "/etc/dnf/plugins/versionlock.list"),
    ]


def test_a_repository_that_the_image_leaves_out() -> None:
    reference = ReferenceRepository(distribution="rocky", name="appstream", repository=SAFE)
    configuration = RpmConfiguration((SAFE,), "zypper", "x86_64", "9")
    missing, there = Published(reference, None), Published(reference, None, from_image=True)
    assert [(kind, where) for kind, _, where in deviations(configuration, (), (missing, there))] == [
        ("missing-repository", "/etc/zypp/repos.d")
    ]
