"""What makes a repository the distribution's own: by servers with and without TLS on loopback."""

import hashlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.http.tls import HostTls
from affineur.repositories.rpmmd.fetch import Fetcher
from affineur.repositories.rpmmd.model import Fetched, Repository, RpmConfiguration, Trust
from affineur.repositories.rpmmd.trust import Trusted, keys_of, served_by
from support.archive import Archive, Key
from support.certificates import Authority

REPOMD = b'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1717200000</revision></repomd>'
NOW = datetime.now(UTC)
NO_KEYS: dict[str, bytes] = {}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def plain() -> Iterator[Archive]:
    """A mirror over plain HTTP."""
    with Archive() as archive:
        archive.files["repo/repodata/repomd.xml"] = REPOMD
        yield archive


@pytest.fixture
def secure(authority: Authority) -> Iterator[Archive]:
    """The distribution's own host, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost", "DNS:localhost,IP:127.0.0.1"))
    with Archive() as archive:
        server = archive._server
        server.socket = context.wrap_socket(server.socket, server_side=True)
        archive.url = f"https://localhost:{server.server_address[1]}/"
        archive.files["repo/repodata/repomd.xml"] = REPOMD
        yield archive


@pytest.fixture
def trusting(authority: Authority) -> HostTls:
    return HostTls(authorities=(Path(authority.folder / "ca.crt"),))


def fetched(tls: HostTls, trusted: Trusted, mapped: tuple[str, ...] = (), **where: Any) -> Fetched:
    with Client(attempts=1, tls=lambda *_: tls, mirrors=MirrorMap(mapped)) as client:
        configuration = RpmConfiguration((), "dnf", "x86_64", "9")
        fetcher = Fetcher(client, configuration, NO_KEYS.get, NOW, Reach.OWN, trusted=trusted)
        return fetcher.fetch(Repository("a", "a", **where))


def host(archive: Archive) -> str:
    return urlsplit(archive.url).netloc


def metalink(archive: Archive, base: str) -> str:
    digest = hashlib.sha256(REPOMD).hexdigest()
    archive.files["metalink?repo=a&arch=b"] = (
        '<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><verification>'
        f'<hash type="sha256">{digest}</hash></verification><resources><url>{base}repodata/repomd.xml</url>'
        "</resources></file></files></metalink>"
    ).encode()
    return f"{archive.url}metalink?repo=a&arch=b"


def test_tls_to_the_distributions_own_place(secure: Archive, trusting: HostTls) -> None:
    own = Trusted((f"{secure.url}repo/",))
    assert fetched(trusting, own, baseurl=(f"{secure.url}repo",)).trust == Trust("tls", host(secure))


@pytest.mark.parametrize("place", ["https://other.example/", "{url}other/", "{url}rep/"])
def test_another_place_is_not_its_own(secure: Archive, trusting: HostTls, place: str) -> None:
    found = fetched(trusting, Trusted((place.format(url=secure.url),)), baseurl=(f"{secure.url}repo/",))
    assert found.repomd is not None
    assert found.trust.how == ""
    assert "none of the distribution's own places" in found.trust.why


def test_a_path_that_climbs_is_not_below(secure: Archive, trusting: HostTls) -> None:
    secure.files["own/../repo/repodata/repomd.xml"] = REPOMD
    found = fetched(trusting, Trusted((f"{secure.url}own/",)), baseurl=(f"{secure.url}own/../repo/",))
    assert found.trust.how == ""


def test_a_certificate_that_is_not_checked_says_nothing(secure: Archive) -> None:
    own = Trusted((f"{secure.url}repo/",))
    found = fetched(HostTls(verify=False), own, baseurl=(f"{secure.url}repo/",))
    assert found.repomd is not None
    assert found.trust.how == ""


def test_plain_http_to_its_own_place_says_nothing(plain: Archive, trusting: HostTls) -> None:
    found = fetched(trusting, Trusted((f"{plain.url}repo/",)), baseurl=(f"{plain.url}repo/",))
    assert (found.trust.how, found.trust.why) == ("", f"{host(plain)} was asked over plain HTTP")


def test_a_redirect_to_another_host_says_nothing(secure: Archive, trusting: HostTls, authority: Authority) -> None:
    secure.redirects["repo/repodata/repomd.xml"] = f"{secure.url.replace('localhost', '127.0.0.1')}x"
    secure.files["x"] = REPOMD
    own = Trusted((f"{secure.url}repo/",))
    found = fetched(trusting, own, baseurl=(f"{secure.url}repo/",))
    assert found.repomd is not None
    assert "redirects to 127.0.0.1" in found.trust.why


def test_the_digest_in_a_metalink_of_its_own(secure: Archive, plain: Archive, trusting: HostTls) -> None:
    url = metalink(secure, f"{plain.url}repo/")
    found = fetched(trusting, Trusted((url,)), metalink=url)
    assert found.trust == Trust("metalink", host(secure))
    assert found.url == f"{plain.url}repo/"
    another = url.replace("repo=a", "repo=b")
    assert fetched(trusting, Trusted((another,)), metalink=url).trust.how == ""


def test_a_metalink_over_plain_http_says_nothing(plain: Archive, trusting: HostTls) -> None:
    url = metalink(plain, f"{plain.url}repo/")
    found = fetched(trusting, Trusted((url,)), metalink=url)
    assert found.trust.how == ""
    assert "its metalink" in found.trust.why


def test_a_mirror_list_has_no_digests(secure: Archive, plain: Archive, trusting: HostTls) -> None:
    secure.files["list"] = f"{plain.url}repo/\n".encode()
    found = fetched(trusting, Trusted((f"{secure.url}list",)), mirrorlist=f"{secure.url}list")
    assert found.repomd is not None
    assert found.trust.how == ""
    secure.files["list"] = f"{secure.url}repo/\n".encode()
    own = Trusted((f"{secure.url}list", f"{secure.url}repo/"))
    assert fetched(trusting, own, mirrorlist=f"{secure.url}list").trust.how == "tls"


def test_the_users_map_stands_for_the_host(secure: Archive, plain: Archive, trusting: HostTls) -> None:
    own = Trusted(("https://dl.example/9/",))
    for target in (secure, plain):
        found = fetched(trusting, own, (f"https://dl.example/9={target.url}repo",), baseurl=("https://dl.example/9/",))
        assert found.trust == Trust("tls", "dl.example, by the mirror map")
        elsewhere = fetched(trusting, own, (f"https://x.example={target.url}repo",), baseurl=("https://x.example/",))
        assert elsewhere.trust.how == ""


def test_the_users_map_to_plain_http_elsewhere_says_nothing() -> None:
    with Client(
        mirrors=MirrorMap(["https://dl.example=http://mirror.example", "https://b.example=https://c.example"])
    ) as c:
        places = ("https://dl.example/", "https://b.example/")
        assert (
            "neither this machine nor reached over TLS"
            in served_by(c, "https://dl.example/x", "http://mirror.example/x", places)[1]
        )
        # a name that looks like an address of this machine is none
        assert served_by(c, "https://dl.example/x", "http://127.0.0.1.example/x", places)[0] == ""
        assert served_by(c, "https://b.example/x", "https://c.example/x", places)[0] == "b.example, by the mirror map"
        # where the mapped place redirects to another
        assert served_by(c, "https://b.example/x", "https://d.example/x", places)[0] == ""


class TestKeys:
    """Which certificates may vouch."""

    def test_files_of_the_image_in_every_spelling(self) -> None:
        key = Key()
        for url in ("file:///etc/key", "/etc/key", "file:/etc/key", "file://localhost/etc/key"):
            repository = Repository("a", "a", gpgkey=(url,))
            assert keys_of(repository, Trusted(), {"/etc/key": key.certificate}.get) == ((key.certificate,), ())

    def test_those_missing_broken_and_elsewhere(self) -> None:
        repository = Repository("a", "a", gpgkey=("file:///none", "file:///bad", "https://x.example/key"))
        certificates, problems = keys_of(repository, Trusted(), {"/bad": b"no key"}.get)
        assert certificates == ()
        assert len(problems) == 3

    def test_an_images_copy_counts_by_fingerprint_alone(self) -> None:
        pinned, other = Key(), Key()
        trusted = Trusted(keys=frozenset({pinned.fingerprint}), keyrings=("/etc/pinned", "/etc/other"))
        files = {"/etc/pinned": pinned.certificate, "/etc/other": other.certificate}
        assert keys_of(Repository("a", "a"), trusted, files.get) == ((pinned.certificate,), ())
