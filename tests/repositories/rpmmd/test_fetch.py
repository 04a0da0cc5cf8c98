"""Fetching repositories made by createrepo_c, from servers on loopback that tell the truth or do not."""

import bz2
import gzip
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import Error, LimitExceeded, NotFound
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.repositories.rpmmd import datafile
from affineur.repositories.rpmmd.fetch import MIRRORS_TRIED, Fetcher
from affineur.repositories.rpmmd.model import Fetched, Repository, RpmConfiguration
from affineur.repositories.rpmmd.trust import Trusted
from support.archive import Archive, Key
from support.debs import compressed
from support.rpms import build, dnf, install_root, repository

NOW = datetime.now(UTC)
KEY_PATH = "/etc/pki/rpm-gpg/RPM-GPG-KEY-test"
NO_KEYS: dict[str, bytes] = {}
PRIMARY = b"<metadata>" + b"x" * 5000 + b"</metadata>"


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(attempts=1) as client:
        yield client


def entry(kind: str, content: bytes, plain: bytes, href: str, **other: str | int) -> str:
    """One <data> of repomd.xml; `other` changes what it promises."""
    told: dict[str, str | int] = {
        "checksum": hashlib.sha256(content).hexdigest(),
        "open_checksum": hashlib.sha256(plain).hexdigest(),
        "size": len(content),
        "open_size": len(plain),
        "algorithm": "sha256",
    }
    told |= other
    return (
        f'<data type="{kind}"><checksum type="{told["algorithm"]}">{told["checksum"]}</checksum>'
        f'<open-checksum type="{told["algorithm"]}">{told["open_checksum"]}</open-checksum>'
        f'<location href="{href}"/><timestamp>1717200000</timestamp>'
        f"<size>{told['size']}</size><open-size>{told['open_size']}</open-size></data>"
    )


def publish(archive: Archive, *entries: str, below: str = "repo/") -> bytes:
    """Serve a repomd.xml and return its bytes."""
    text = f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>{"".join(entries)}</repomd>'
    archive.files[f"{below}repodata/repomd.xml"] = text.encode()
    return text.encode()


def primary(archive: Archive, below: str = "repo/", plain: bytes = PRIMARY, **other: str | int) -> str:
    """Serve a primary.xml.gz; its entry."""
    content = gzip.compress(plain, mtime=0)
    archive.files[f"{below}repodata/primary.xml.gz"] = content
    return entry("primary", content, plain, "repodata/primary.xml.gz", **other)


def metalink(archive: Archive, *bases: str, states: tuple[bytes, ...] = ()) -> str:
    """Serve a metalink that promises these states of repomd.xml, the newest first; its URL."""
    hashes = [
        f'<verification><hash type="sha256">{hashlib.sha256(s).hexdigest()}</hash></verification>' for s in states
    ]
    alternates = "".join(f"<mm0:alternate>{each}</mm0:alternate>" for each in hashes[1:])
    urls = "".join(
        f'<url protocol="http" preference="{100 - number}">{base}repodata/repomd.xml</url>'
        for number, base in enumerate(bases)
    )
    archive.files["metalink"] = (
        '<metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
        f"{''.join(hashes[:1])}<mm0:alternates>{alternates}</mm0:alternates>"
        f"<resources>{urls}</resources></file></files></metalink>"
    ).encode()
    return f"{archive.url}metalink"


def fetcher(client: Client, manager: str = "dnf", **options: Any) -> Fetcher:
    configuration = RpmConfiguration((), manager, "x86_64", "9")
    keys = options.pop("keys", {})
    return Fetcher(client, configuration, keys.get, NOW, Reach.OWN, **options)


def fetch(archive: Archive, client: Client, **of: Any) -> Fetched:
    fields: dict[str, Any] = {"id": "test", "name": "test", "baseurl": (f"{archive.url}repo/",)}
    return fetcher(client).fetch(Repository(**(fields | of)))


def read(fetched: Fetched, client: Client, kind: str = "primary") -> bytes:
    return b"".join(fetcher(client).data(fetched, kind))


def test_a_repository_is_read(archive: Archive, client: Client) -> None:
    repomd = publish(archive, primary(archive))
    found = fetch(archive, client)
    assert found.problems == ()
    assert found.url == found.base_uri == f"{archive.url}repo/"
    assert found.digest == f"sha256:{hashlib.sha256(repomd).hexdigest()}"
    assert found.trust.how == ""
    assert read(found, client) == PRIMARY


@pytest.mark.system
@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zck"])
def test_what_createrepo_makes_is_read(compression: str, archive: Archive, client: Client, tmp_path: Path) -> None:
    rpms = [build(tmp_path, f"p{number}", "1", "1") for number in range(3)]
    options: dict[str, Any] = {"zck": True} if compression == "zck" else {"general_compress_type": compression}
    folder = repository(tmp_path / "repo", rpms, **options)
    for file in folder.rglob("repodata/*"):
        archive.files[f"repo/{file.relative_to(folder)}"] = file.read_bytes()
    found = fetch(archive, client)
    if compression == "zck":
        plain = read(found, client)
        assert found.repomd is not None
        found.repomd.data["primary"] = found.repomd.data["primary_zck"]
        assert read(found, client) == plain
    assert len(re.findall(b"<package type=", read(found, client))) == 3
    with pytest.raises(NotFound, match="lists no updateinfo"):
        read(found, client, "updateinfo")


def test_zstd_is_read(archive: Archive, client: Client) -> None:
    content = compressed(PRIMARY, "zst")
    archive.files["repo/repodata/primary.xml.zst"] = content
    publish(archive, entry("primary", content, PRIMARY, "repodata/primary.xml.zst"))
    assert read(fetch(archive, client), client) == PRIMARY


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"size": 1}, "1 bytes were promised"),
        ({"size": 9999}, "9999 bytes were promised"),
        ({"checksum": "0" * 64}, "content is sha256:"),
        ({"open_size": 1}, "unpacked: 1 bytes were promised"),
        ({"open_size": 9999}, "unpacked: 9999 bytes were promised"),
        ({"open_checksum": "0" * 64}, "unpacked: content is sha256:"),
        ({"size": 600 << 20}, "at most 536870912 are read"),
    ],
)
def test_other_bytes_than_promised_are_an_error(
    archive: Archive, client: Client, other: dict[str, str | int], message: str
) -> None:
    publish(archive, primary(archive, "repo/", PRIMARY, **other))
    with pytest.raises(Error, match=message):
        read(fetch(archive, client), client)


def test_a_broken_file_that_is_not_the_promised_one_is_said_to_be_another(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    archive.files["repo/repodata/primary.xml.gz"] = b"\x1f\x8b" + b"\0" * (len(gzip.compress(PRIMARY, mtime=0)) - 2)
    with pytest.raises(Error, match="not the promised"):
        read(fetch(archive, client), client)


def test_what_becomes_too_much_is_refused(archive: Archive, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = bytes(10 << 20)
    content = bz2.compress(bomb)
    archive.files["repo/repodata/primary.xml.bz2"] = content
    publish(archive, entry("primary", content, bomb, "repodata/primary.xml.bz2"))
    monkeypatch.setattr(datafile, "RATIO_FREE", 1 << 20)
    with pytest.raises(LimitExceeded, match="not unpacked further"):
        read(fetch(archive, client), client)


def test_the_first_mirror_that_has_what_the_metalink_promises(archive: Archive, client: Client) -> None:
    good = publish(archive, primary(archive))
    publish(archive, below="lying/")
    bases = (f"{archive.url}gone/", f"{archive.url}lying/", f"{archive.url}repo/")
    url = metalink(archive, *bases, states=(good,))
    found = fetch(archive, client, baseurl=(), metalink=url)
    assert found.url == bases[2]
    assert found.problems == ()
    assert read(found, client) == PRIMARY
    # yum and zypper may be given it as a mirrorlist
    assert fetch(archive, client, baseurl=(), mirrorlist=url).url == bases[2]


def test_an_older_state_that_the_metalink_allows_is_taken_and_said(archive: Archive, client: Client) -> None:
    old = publish(archive, primary(archive))
    url = metalink(archive, f"{archive.url}repo/", states=(b"newer", old))
    found = fetch(archive, client, baseurl=(), metalink=url)
    assert found.repomd is not None
    assert "older than the newest state" in found.problems[0]


def test_a_mirror_that_is_up_to_date_goes_before_one_that_is_not(archive: Archive, client: Client) -> None:
    old = publish(archive, below="old/")
    new = publish(archive, primary(archive))
    url = metalink(archive, f"{archive.url}old/", f"{archive.url}repo/", states=(new, old))
    found = fetch(archive, client, baseurl=(), metalink=url)
    assert (found.url, found.problems) == (f"{archive.url}repo/", ())


def test_no_mirror_that_has_it(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    bases = [f"{archive.url}{number}/" for number in range(20)]
    found = fetch(
        archive, client, baseurl=(), metalink=metalink(archive, f"{archive.url}repo/", *bases, states=(b"x",))
    )
    assert found.repomd is None
    assert "not the promised any that the metalink names" in found.problems[0]
    assert f"{21 - MIRRORS_TRIED} more mirrors were not tried" in found.problems[0]
    assert len([path for path in archive.requests if "repomd" in path]) == MIRRORS_TRIED


def test_a_list_that_is_gone_leaves_the_base_url(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    found = fetch(archive, client, mirrorlist=f"{archive.url}gone")
    assert found.repomd is not None
    assert found.problems == (), "the repository was read, from where it may be read as well"


def test_a_mirror_list(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    archive.files["list"] = f"# mirrors\n\n{archive.url}none/\n{archive.url}repo\nftp://x.example/\n".encode()
    found = fetch(archive, client, baseurl=(), mirrorlist=f"{archive.url}list")
    assert found.url == f"{archive.url}repo/"
    archive.files["list"] = b"Invalid release/repo/arch combination\n"
    assert "no list of mirrors" in fetch(archive, client, baseurl=(), mirrorlist=f"{archive.url}list").problems[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"baseurl": ("file:///media/cdrom",)}, "neither http nor https"),
        ({"baseurl": ()}, "names no place"),
        ({"client_certificate": "/etc/pki/entitlement/1.pem"}, "--entitlement-dir"),
    ],
)
def test_what_is_not_asked(archive: Archive, client: Client, fields: dict[str, Any], message: str) -> None:
    found = fetch(archive, client, **fields)
    assert found.repomd is None
    assert message in found.problems[0]
    assert archive.requests == []


def test_a_repository_with_an_entitlement_is_asked(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    entitled = fetcher(client, entitlement=lambda host: host == "127.0.0.1")
    found = entitled.fetch(
        Repository("rhel", "rhel", (f"{archive.url}repo/",), client_certificate="/etc/pki/entitlement/1.pem")
    )
    assert found.repomd is not None


def test_addresses_of_the_image_reach_no_further_than_its_registry(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    configuration = RpmConfiguration((), "dnf", "x86_64", "9")
    found = Fetcher(client, configuration, NO_KEYS.get, NOW).fetch(Repository("a", "a", (f"{archive.url}repo/",)))
    assert "not named by you" in found.problems[0]
    assert archive.requests == []


def test_two_sections_of_one_place_ask_once(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    place = (f"{archive.url}repo/",)
    both = fetcher(client).fetch_all([Repository("a", "a", place), Repository("b", "b", place)])
    assert [each.repository.id for each in both] == ["a", "b"]
    assert archive.requests == ["repo/repodata/repomd.xml"]


def test_the_mirror_map_leads_the_data_too(archive: Archive) -> None:
    publish(archive, primary(archive))
    with Client(attempts=1, mirrors=MirrorMap([f"https://repo.example/el9={archive.url}repo"])) as client:
        configuration = RpmConfiguration((), "dnf", "x86_64", "9")
        trusted = Trusted(places=("https://repo.example/",))
        asking = Fetcher(client, configuration, NO_KEYS.get, NOW, trusted=trusted)
        found = asking.fetch(Repository("a", "a", ("https://repo.example/el9/",)))
        assert found.base_uri == "https://repo.example/el9/"
        assert found.url == f"{archive.url}repo/"
        assert (found.trust.how, found.trust.by) == ("tls", "repo.example, by the mirror map")
        assert b"".join(asking.data(found, "primary")) == PRIMARY


def test_a_redirect_with_a_signature_in_it_is_neither_kept_nor_shown(archive: Archive, client: Client) -> None:
    repomd = publish(archive, primary(archive))
    archive.files["store?X-Signature=secret"] = repomd
    archive.redirects["repo/repodata/repomd.xml"] = f"{archive.url}store?X-Signature=secret"
    found = fetch(archive, client)
    assert found.url == found.base_uri == f"{archive.url}repo/"
    assert read(found, client) == PRIMARY
    archive.files["store?X-Signature=secret"] = b"<x/>"
    assert "secret" not in fetch(archive, client).problems[0]


def test_a_small_file_at_once(archive: Archive, client: Client) -> None:
    publish(archive, primary(archive))
    found = fetch(archive, client)
    assert fetcher(client).whole(found, "primary", len(PRIMARY)) == PRIMARY
    with pytest.raises(LimitExceeded):
        fetcher(client).whole(found, "primary", len(PRIMARY) - 1)


class TestSigned:
    """repo_gpgcheck, and pinned keys."""

    def signed(
        self, archive: Archive, client: Client, key: Key | None, trusted: Trusted | None = None, **of: Any
    ) -> Fetched:
        repomd = publish(archive, primary(archive))
        if key is not None:
            archive.files["repo/repodata/repomd.xml.asc"] = key.detach(repomd)
        fields: dict[str, Any] = {"gpgkey": (f"file://{KEY_PATH}",)} | of
        asking = fetcher(client, keys={KEY_PATH: archive.key.certificate}, trusted=trusted)
        return asking.fetch(Repository("a", "a", (f"{archive.url}repo/",), **fields))

    def test_by_the_key_that_it_names(self, archive: Archive, client: Client) -> None:
        found = self.signed(archive, client, archive.key, repo_gpgcheck=True)
        assert found.problems == ()
        assert found.signers == (archive.key.fingerprint,)
        assert found.trust.how == ""
        assert "no key of the distribution" in found.trust.why

    def test_by_a_pinned_key(self, archive: Archive, client: Client) -> None:
        trusted = Trusted(keys=frozenset({archive.key.fingerprint}))
        found = self.signed(archive, client, archive.key, trusted)
        assert (found.trust.how, found.trust.by) == ("key", archive.key.fingerprint)

    def test_by_a_pinned_key_that_the_image_does_not_name(self, archive: Archive, client: Client) -> None:
        key = Key()
        trusted = Trusted(keys=frozenset({key.fingerprint}), certificates=(key.certificate,))
        found = self.signed(archive, client, key, trusted, gpgkey=())
        assert (found.trust.how, found.signers) == ("key", (key.fingerprint,))

    @pytest.mark.parametrize("signed", [True, False])
    def test_what_must_be_signed_and_is_not_is_refused(self, archive: Archive, client: Client, signed: bool) -> None:
        found = self.signed(archive, client, Key() if signed else None, repo_gpgcheck=True)
        assert found.repomd is None
        assert "repo_gpgcheck has it refused" in found.problems[-1]
        assert found.trust.how == ""

    def zypper(self, archive: Archive, client: Client, key: Key | None, imported: tuple[bytes, ...] | None) -> Fetched:
        repomd = publish(archive, primary(archive))
        if key is not None:
            archive.files["repo/repodata/repomd.xml.asc"] = key.detach(repomd)
        asking = fetcher(client, "zypper", imported=imported)
        return asking.fetch(Repository("a", "a", (f"{archive.url}repo/",), gpgcheck=True, repo_gpgcheck=True))

    def test_zypper_verifies_by_the_keys_that_rpm_was_given(self, archive: Archive, client: Client) -> None:
        found = self.zypper(archive, client, archive.key, (archive.key.certificate,))
        assert (found.signers, found.problems) == ((archive.key.fingerprint,), ())

    # as `zypper --non-interactive refresh` does: "is unsigned, continue? no", "signed with an unknown key"
    def test_zypper_refuses_what_is_not_signed_or_by_an_unknown_key(self, archive: Archive, client: Client) -> None:
        assert self.zypper(archive, client, None, None).repomd is None
        assert self.zypper(archive, client, archive.key, (Key().certificate,)).repomd is None

    def test_where_rpms_keys_were_not_looked_for_it_cannot_be_told(self, archive: Archive, client: Client) -> None:
        found = self.zypper(archive, client, archive.key, None)
        assert found.repomd is not None
        assert "was not looked for" in found.problems[0]

    def test_a_key_elsewhere_is_not_fetched(self, archive: Archive, client: Client) -> None:
        found = self.signed(archive, client, archive.key, repo_gpgcheck=True, gpgkey=(f"{archive.url}key",))
        assert "only keys in the image count" in found.problems[0]
        assert "key" not in archive.requests


@pytest.mark.system
class TestBesideDnf:
    """dnf, given the same section and the same servers, takes the same mirror and the same files, or none either."""

    def served(self, archive: Archive, folder: Path, below: str) -> bytes:
        for file in folder.rglob("repodata/*"):
            archive.files[f"{below}{file.relative_to(folder)}"] = file.read_bytes()
        return (folder / "repodata/repomd.xml").read_bytes()

    def offers(self, archive: Archive, root: Path, options: str) -> tuple[str, list[str]]:
        """(what dnf offers to install of the name `hello`, the paths that it asked for)."""
        archive.requests.clear()
        (root / "etc/yum.repos.d").mkdir(parents=True, exist_ok=True)
        (root / "etc/yum.repos.d/t.repo").write_text(f"[t]\nname=T\n{options}")
        done = dnf(root, "-y", "repoquery", "--qf", "%{name}-%{version}", "hello")
        return "".join(line for line in done.stdout.splitlines() if line.startswith("hello")), list(archive.requests)

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return install_root(tmp_path / "root", [])

    @pytest.fixture
    def both(self, archive: Archive, tmp_path: Path) -> tuple[bytes, bytes]:
        """Two states of a repository, of which the second is newer: at old/ and at new/."""
        states = []
        for number, below in ((1, "old/"), (2, "new/")):
            package = build(tmp_path, "hello", f"{number}", "1")
            states.append(self.served(archive, repository(tmp_path / below, [package]), below))
        return states[0], states[1]

    def test_a_metalink(self, archive: Archive, client: Client, root: Path, both: tuple[bytes, bytes]) -> None:
        bases = (f"{archive.url}gone/", f"{archive.url}old/", f"{archive.url}new/")
        url = metalink(archive, *bases, states=(both[1],))
        assert self.offers(archive, root, f"metalink={url}\n")[0] == "hello-2"
        found = fetch(archive, client, baseurl=(), metalink=url)
        assert b"<name>hello</name>" in read(found, client)
        assert b'ver="2"' in read(found, client)

    def test_a_metalink_that_no_mirror_keeps(
        self, archive: Archive, client: Client, root: Path, both: tuple[bytes, bytes]
    ) -> None:
        url = metalink(archive, f"{archive.url}old/", states=(both[1],))
        assert self.offers(archive, root, f"metalink={url}\n")[0] == ""
        assert fetch(archive, client, baseurl=(), metalink=url).repomd is None

    def test_a_mirror_list(self, archive: Archive, client: Client, root: Path, both: tuple[bytes, bytes]) -> None:
        archive.files["list"] = f"{archive.url}gone/\n{archive.url}old/\n{archive.url}new/\n".encode()
        assert self.offers(archive, root, f"mirrorlist={archive.url}list\n")[0] == "hello-1"
        assert b'ver="1"' in read(fetch(archive, client, baseurl=(), mirrorlist=f"{archive.url}list"), client)

    def test_a_file_that_is_another(
        self, archive: Archive, client: Client, root: Path, both: tuple[bytes, bytes]
    ) -> None:
        found = fetch(archive, client, baseurl=(f"{archive.url}new/",))
        assert found.repomd is not None
        path = f"new/{found.repomd.data['primary'].href}"
        archive.files[path] = archive.files[path][:-1] + b"x"
        assert self.offers(archive, root, f"baseurl={archive.url}new/\n")[0] == ""
        with pytest.raises(Error, match="not the promised"):
            read(found, client)

    @pytest.mark.parametrize("signer", ["its key", "another key", "nobody"])
    def test_repo_gpgcheck(
        self, signer: str, archive: Archive, client: Client, root: Path, both: tuple[bytes, bytes]
    ) -> None:
        key = Key()
        (root / "key").write_text(key.armored)
        if signer != "nobody":
            signing = key if signer == "its key" else Key()
            archive.files["new/repodata/repomd.xml.asc"] = signing.detach(both[1])
        options = f"baseurl={archive.url}new/\nrepo_gpgcheck=1\ngpgkey=file://{root}/key\n"
        expected = "hello-2" if signer == "its key" else ""
        assert self.offers(archive, root, options)[0] == expected
        section = Repository("t", "T", (f"{archive.url}new/",), repo_gpgcheck=True, gpgkey=(f"file://{root}/key",))
        found = fetcher(client, keys={f"{root}/key": key.certificate}).fetch(section)
        assert (found.repomd is not None) == bool(expected)
