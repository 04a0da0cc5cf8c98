"""Reference repositories: which there are for a release, and finding them where the image leads, and beside it."""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import affineur.repositories.rpmmd as rpmmd
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.openpgp import fingerprints, split_certificates
from affineur.packages.osrelease import OSRelease
from affineur.repositories.rpmmd.fetch import Fetcher
from affineur.repositories.rpmmd.model import Fetched, Repomd, Repository, RpmConfiguration, Trust
from affineur.repositories.rpmmd.published import Published, read_references
from affineur.repositories.rpmmd.reference import (
    NoReference,
    ReferenceRepository,
    references_for,
    stale,
    trusted_by,
)
from affineur.repositories.rpmmd.trust import Trusted
from support.archive import Archive, Key
from support.leaving_out import leave_out

NOW = datetime.now(UTC)
BASEOS = "https://dl.rockylinux.org/pub/rocky/9/BaseOS/x86_64/os/"
NO_KEYS: dict[str, bytes] = {}


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def os_release(name: str, version: str, pretty: str = "") -> OSRelease:
    return OSRelease({"ID": name, "VERSION_ID": version, "PRETTY_NAME": pretty})


def known(name: str, version: str, pretty: str = "", architecture: str = "amd64") -> tuple[ReferenceRepository, ...]:
    found = references_for(os_release(name, version, pretty), architecture)
    assert not isinstance(found, NoReference), found.why
    return found


@pytest.mark.parametrize(
    ("release", "names", "first"),
    [
        (("rocky", "9.4"), ["baseos", "appstream"], BASEOS),
        (("almalinux", "8.10"), ["baseos", "appstream"], "https://repo.almalinux.org/almalinux/8/BaseOS/x86_64/os/"),
        (("centos", "7"), ["os", "updates"], "https://vault.centos.org/7.9.2009/os/x86_64/"),
        (("centos", "5"), ["os", "updates"], "https://vault.centos.org/5.11/os/x86_64/"),
        (("ol", "9.3"), ["baseos", "appstream"], "https://yum.oracle.com/repo/OracleLinux/OL9/baseos/latest/x86_64/"),
        (
            ("centos", "8", "CentOS Stream 8"),
            ["baseos", "appstream"],
            "https://vault.centos.org/8-stream/BaseOS/x86_64/os/",
        ),
        (
            ("centos", "8", "CentOS Linux 8 (Core)"),
            ["baseos", "appstream"],
            "https://vault.centos.org/8.5.2111/BaseOS/x86_64/os/",
        ),
        (
            ("rhel", "9.4"),
            ["ubi-baseos", "ubi-appstream", "ubi-codeready-builder"],
            "https://cdn-ubi.redhat.com/content/public/ubi/dist/ubi9/9/x86_64/baseos/os/",
        ),
        (("sles", "15.6"), ["SLE_BCI"], "https://updates.suse.com/SUSE/Products/SLE-BCI/15-SP6/x86_64/product/"),
        (("mariner", "2.0"), ["base"], "https://packages.microsoft.com/cbl-mariner/2.0/prod/base/x86_64/"),
        (("photon", "5.0"), ["updates"], "https://packages.broadcom.com/photon/5.0/photon_updates_5.0_x86_64/"),
        (("opensuse-tumbleweed", "20261101"), ["oss"], "https://download.opensuse.org/tumbleweed/repo/oss/"),
    ],
)
def test_the_repositories_of_a_release(release: tuple[str, ...], names: list[str], first: str) -> None:
    found = known(*release)
    assert [each.name for each in found] == names
    assert found[0].repository.baseurl[0] == first
    assert first in found[0].trusted.places


def test_fedora_by_metalink() -> None:
    release, updates = known("fedora", "43")
    assert release.repository.metalink == "https://mirrors.fedoraproject.org/metalink?repo=fedora-43&arch=x86_64"
    assert updates.repository.metalink.endswith("?repo=updates-released-f43&arch=x86_64")
    assert (updates.role, updates.notices, updates.max_age) == ("updates", True, timedelta(14))


def test_an_entitlement_puts_rhel_in_the_place_of_ubi() -> None:
    found = references_for(os_release("rhel", "9.4"), "amd64", entitled=True)
    assert not isinstance(found, NoReference)
    assert [each.name for each in found] == ["rhel-baseos", "rhel-appstream"]
    assert found[0].repository.client_certificate


def test_releases_that_are_gone_and_distributions_that_say_nothing() -> None:
    centos = known("centos", "7")[0]
    assert "vault.centos.org" in centos.gone
    assert centos.silent == "CentOS publishes no errata"
    assert not centos.notices
    assert known("centos", "9")[0].gone == ""
    for release in (("sles", "12.5"), ("debian", "12"), ("linux", ""), ("rocky", "7.9"), ("rhel", "6.10")):
        assert isinstance(references_for(os_release(*release), "amd64"), NoReference), release


def test_a_preview_with_a_releases_number_is_not_that_release() -> None:
    kitten = os_release("almalinux", "10", "AlmaLinux Kitten 10 (Lion Cub)")
    assert isinstance(references_for(kitten, "amd64"), NoReference)
    stable = known("almalinux", "10.0", "AlmaLinux 10.0 (Purple Lion)", "x86_64_v2")
    assert stable[0].repository.baseurl == ("https://repo.almalinux.org/almalinux/10/BaseOS/x86_64_v2/os/",)


def test_the_users_own_take_their_place() -> None:
    own = ReferenceRepository(
        distribution="rocky", name="baseos", repository=Repository("mine", "mine"), uri="http://127.0.0.1/"
    )
    added = ReferenceRepository(distribution="rocky", name="extra", repository=Repository("extra", "extra"))
    other = ReferenceRepository(distribution="fedora", name="x", repository=Repository("x", "x"))
    found = references_for(os_release("rocky", "9.4"), "amd64", [own, added, other])
    assert not isinstance(found, NoReference)
    assert [(each.name, each.uri) for each in found] == [("baseos", own.uri), ("appstream", ""), ("extra", "")]


@pytest.mark.corpus
def test_every_release_ends_when_the_calendar_says(corpus: Path) -> None:
    calendars = {"rhel": "rhel", "fedora": "fedora", "opensuse-leap": "opensuse", "sles": "sles", "ol": "oracle-linux"}
    calendars |= {"amzn": "amazon-linux", "centos": "centos"}
    checked = 0
    for distribution, product in calendars.items():
        page = (corpus / "lifecycle/endoflife/products" / f"{product}.md").read_text()
        cycles = re.split(r"\n *- *releaseCycle: ", page)[1:]
        for cycle in cycles:
            version = cycle.partition("\n")[0].strip().strip("\"'")
            ends = [line.partition(":")[2].strip() for line in cycle.splitlines() if line.strip().startswith("eol:")]
            found = references_for(os_release(distribution, version, "Linux"), "amd64")
            if isinstance(found, NoReference) or found[0].published_until is None or version == "8":
                continue
            if distribution == "fedora" and int(version) <= 38:
                continue  # one entry for all of them
            checked += 1
            assert found[0].published_until == date.fromisoformat(ends[0]), f"{distribution} {version}"
    assert checked > 15


@pytest.mark.system
def test_the_keys_are_those_that_gpg_reads() -> None:
    file = Path(rpmmd.__file__).parent / "keys/rpm.gpg"
    try:
        done = subprocess.run(["gpg", "--show-keys", "--with-colons", file], capture_output=True, text=True, check=True)
    except OSError:
        leave_out("needs gpg")
    lines = [line.split(":") for line in done.stdout.splitlines()]
    primary = [after[9] for before, after in pairwise(lines) if before[0] == "pub"]
    assert sorted(primary) == sorted(fingerprints(each)[0] for each in split_certificates(file.read_bytes(), "keys"))
    pinned: set[str] = set()
    for release in (
        ("rocky", "9"),
        ("almalinux", "9"),
        ("opensuse-leap", "15.6"),
        ("sles", "15.6"),
        ("mariner", "2.0"),
    ):
        trusted = trusted_by(known(*release))
        assert {fingerprints(each)[0] for each in trusted.certificates} == trusted.keys
        pinned |= trusted.keys
    assert pinned == set(primary)


class TestStale:
    """How old a repository may be."""

    def asked(self, how: str, by: str, made: datetime | None, **of: Any) -> str | None:
        reference = ReferenceRepository(
            distribution="x", name="x", repository=Repository("x", "x"), **({"max_age": timedelta(30)} | of)
        )
        fetched = Fetched(Repository("x", "x"), "http://x.example/", Repomd("", made, {}), Trust(how, by))
        return stale(reference, fetched, NOW)

    def test_what_the_distribution_itself_serves_is_what_there_is(self) -> None:
        old = NOW - timedelta(400)
        assert self.asked("tls", "dl.example", old) is None
        assert self.asked("metalink", "mirrors.example", old) is None

    def test_a_mirror_may_be_frozen(self) -> None:
        assert self.asked("key", "A" * 40, NOW - timedelta(29)) is None
        assert "older than 30 days" in (self.asked("key", "A" * 40, NOW - timedelta(31)) or "")
        assert self.asked("tls", "dl.example, by the mirror map", NOW - timedelta(31))

    def test_what_has_ended_ages_no_more(self) -> None:
        ended = (NOW - timedelta(1000)).date()
        made = NOW - timedelta(1010)
        assert self.asked("key", "A" * 40, made, published_until=ended) is None
        assert self.asked("key", "A" * 40, made - timedelta(30), published_until=ended)

    def test_without_a_time_it_cannot_be_told(self) -> None:
        assert "no time that can be read" in (self.asked("key", "A" * 40, None) or "")


class TestFinding:
    """Where a reference repository is looked for."""

    def publish(self, archive: Archive, below: str, key: Key | None = None, made: int | None = None) -> bytes:
        text = (
            '<repomd xmlns="http://linux.duke.edu/metadata/repo">'
            f"<revision>{int(NOW.timestamp()) if made is None else made}</revision></repomd>"
        ).encode()
        archive.files[f"{below}repodata/repomd.xml"] = text
        if key is not None:
            archive.files[f"{below}repodata/repomd.xml.asc"] = key.detach(text)
        return text

    def find(
        self,
        archive: Archive,
        reference: ReferenceRepository,
        *own: Repository,
        mapped: tuple[str, ...] = (),
        keys: dict[str, bytes] = NO_KEYS,
    ) -> Published:
        configuration = RpmConfiguration(own, "dnf", "x86_64", "9")
        with Client(attempts=1, mirrors=MirrorMap(mapped)) as client:
            fetcher = Fetcher(client, configuration, keys.get, NOW, Reach.OWN, trusted=trusted_by([reference]))
            (found,) = read_references([reference], fetcher, configuration, NOW)
        return found

    def test_where_the_image_leads(self, archive: Archive) -> None:
        self.publish(archive, "baseos/")
        reference = known("rocky", "9.4")[0]
        own = Repository("baseos", "BaseOS", (BASEOS.rstrip("/"),))
        found = self.find(archive, reference, own, mapped=(f"{BASEOS}={archive.url}baseos",))
        assert found.complete
        assert found.from_image
        assert found.fetched is not None
        assert (found.fetched.trust.how, found.fetched.trust.by) == ("tls", "dl.rockylinux.org, by the mirror map")

    def test_beside_the_image(self, archive: Archive) -> None:
        self.publish(archive, "baseos/")
        reference = known("rocky", "9.4")[0]
        own = Repository("baseos", "BaseOS", (f"{archive.url}elsewhere/",))
        found = self.find(archive, reference, own, mapped=(f"{BASEOS}={archive.url}baseos",))
        assert found.complete
        assert not found.from_image

    def test_a_mirror_by_its_signature(self, archive: Archive) -> None:
        self.publish(archive, "mirror/", archive.key)
        reference = self.pinned(archive.key)
        found = self.find(archive, reference, Repository("baseos", "BaseOS", (f"{archive.url}mirror/",)))
        assert found.complete
        assert found.from_image
        assert found.fetched is not None
        assert found.fetched.trust == Trust("key", archive.key.fingerprint)

    def test_a_mirror_that_is_frozen(self, archive: Archive) -> None:
        self.publish(archive, "mirror/", archive.key, made=int((NOW - timedelta(60)).timestamp()))
        found = self.find(archive, self.pinned(archive.key), Repository("baseos", "BaseOS", (f"{archive.url}mirror/",)))
        assert (found.verified, found.fresh, found.complete) == (True, False, False)
        assert "stale" in found.problems[0]

    @pytest.mark.parametrize("signer", [None, Key()])
    def test_a_mirror_that_nobody_vouches_for(self, archive: Archive, signer: Key | None) -> None:
        self.publish(archive, "mirror/", signer)
        found = self.find(archive, self.pinned(archive.key), Repository("baseos", "BaseOS", (f"{archive.url}mirror/",)))
        assert found.fetched is None
        assert "was not found" in found.problems[0]
        assert ("not signed" if signer is None else "not trusted here") in found.problems[0]

    def test_a_mirror_with_the_same_content_is_the_image_leading_there(self, archive: Archive) -> None:
        self.publish(archive, "mirror/")
        self.publish(archive, "core/")
        (reference,) = known("amzn", "2")
        archive.files["list"] = b"https://cdn.amazonlinux.com/2/core/2.0/x86_64/guid\n"
        mapped = (
            f"{reference.repository.mirrorlist}={archive.url}list",
            f"https://cdn.amazonlinux.com/2/core/2.0={archive.url}core",
        )
        archive.files["core/x86_64/guid/repodata/repomd.xml"] = archive.files["core/repodata/repomd.xml"]
        own = Repository("amzn2-core", "core", (f"{archive.url}mirror/",))
        found = self.find(archive, reference, own, mapped=mapped)
        assert found.complete, found.problems
        assert found.from_image
        assert found.fetched is not None
        assert found.fetched.base_uri == "https://cdn.amazonlinux.com/2/core/2.0/x86_64/guid/"
        self.publish(archive, "mirror/", made=1)
        assert not self.find(archive, reference, own, mapped=mapped).from_image

    def test_a_metalink_that_asks_for_more(self, archive: Archive) -> None:
        text = self.publish(archive, "baseos/")
        reference = known("centos", "9", "CentOS Stream 9")[0]
        base = "https://mirrors.centos.org/metalink"
        archive.files["m?repo=centos-baseos-9-stream&arch=x86_64&protocol=https,http"] = (
            '<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><verification>'
            f'<hash type="sha256">{hashlib.sha256(text).hexdigest()}</hash></verification><resources>'
            f"<url>{archive.url}baseos/repodata/repomd.xml</url></resources></file></files></metalink>"
        ).encode()
        own = Repository(
            "baseos", "BaseOS", metalink=f"{base}?repo=centos-baseos-9-stream&arch=x86_64&protocol=https,http"
        )
        found = self.find(archive, reference, own, mapped=(f"{base}={archive.url}m",))
        assert found.from_image
        assert found.fetched is not None
        assert found.fetched.trust == Trust("metalink", "mirrors.centos.org, by the mirror map")

    def test_another_repository_of_the_same_host_is_not_it(self, archive: Archive) -> None:
        self.publish(archive, "extras/")
        reference = known("rocky", "9.4")[0]
        own = Repository("baseos", "BaseOS", ("https://dl.rockylinux.org/pub/rocky/9/extras/x86_64/os/",))
        found = self.find(
            archive, reference, own, mapped=(f"{own.baseurl[0]}={archive.url}extras", f"{BASEOS}={archive.url}gone")
        )
        assert found.fetched is None

    def test_a_release_whose_mirrors_are_gone_says_so(self, archive: Archive) -> None:
        reference = known("centos", "7")[0]
        mapped = tuple(f"{url}={archive.url}gone" for url in reference.repository.baseurl)
        found = self.find(archive, reference, mapped=mapped)
        assert "the mirrors of CentOS 7 are gone since 2024-06-30" in found.problems[0]

    def test_the_users_own_place(self, archive: Archive) -> None:
        self.publish(archive, "mine/", archive.key)
        reference = self.pinned(archive.key, uri=f"{archive.url}mine")
        found = self.find(archive, reference, Repository("baseos", "BaseOS", (f"{archive.url}mirror/",)))
        assert found.complete
        assert archive.requests == ["mine/repodata/repomd.xml", "mine/repodata/repomd.xml.asc"]

    def pinned(self, key: Key, **of: Any) -> ReferenceRepository:
        return ReferenceRepository(
            distribution="x",
            name="baseos",
            ids=("baseos",),
            repository=Repository("baseos", "baseos", ("http://127.0.0.1:1/",)),
            trusted=Trusted(keys=frozenset({key.fingerprint}), certificates=(key.certificate,)),
            max_age=timedelta(30),
            **of,
        )
