"""What is fuzzed: one small function for each parser of what strangers send, and the honest examples to start from.

A target gets any bytes. It raises nothing but our own errors where those are the parser's answer, and AssertionError
where a law is broken: what is printed reads as itself, what is accepted is within its limits.
"""

import contextlib
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from affineur.errata.apk.secfixes import read_secdb
from affineur.errata.notices import list_lines, summary_lines
from affineur.errata.rpm.builds import listed, match_builds
from affineur.errata.rpm.updateinfo import read_updateinfo
from affineur.errata.unfixed import csaf, ubuntuvex
from affineur.errata.unfixed.debiantracker import tracked
from affineur.errata.unfixed.osvopen import left_open
from affineur.errata.unfixed.statements import Statement, Statements
from affineur.errors import ContentError, Error, ForbiddenAddress, InputError, InvalidReference, MalformedDocument
from affineur.http.client import Client
from affineur.http.response import Headers, Response, retry_after_s
from affineur.http.urls import origin_of
from affineur.image.interest import Interest
from affineur.image.reader import Verbatim
from affineur.image.scan import scanned
from affineur.oci.config import read_config
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import ACCEPT, MAX_CHILDREN, Index, Manifest, artifact, read_manifest
from affineur.oci.place import parse_place
from affineur.oci.platform import parse_platform
from affineur.oci.reference import parse_reference
from affineur.oci.schema1 import content_digest, payload, read_schema1
from affineur.packages.apk import APK
from affineur.packages.dpkg import DPKG
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease, parsed
from affineur.packages.rpm.database import RPM, headers
from affineur.packages.rpm.header import Header, files
from affineur.packages.rpm.keys import keys
from affineur.packages.rpm.signature import issuer, key_fingerprint
from affineur.repositories.apk.configuration import read_configuration as apk_read_configuration
from affineur.repositories.apk.index import parse_index, unpacked
from affineur.repositories.apk.rsa import read_key, verifies
from affineur.repositories.apk.signed import opened, verified_by
from affineur.repositories.rpmmd import elements
from affineur.repositories.rpmmd.activation import activated
from affineur.repositories.rpmmd.configuration import PATHS
from affineur.repositories.rpmmd.configuration import read_configuration as rpm_read_configuration
from affineur.repositories.rpmmd.metalink import read_metalink, read_mirrorlist
from affineur.repositories.rpmmd.model import ModuleState
from affineur.repositories.rpmmd.modules import read_modules
from affineur.repositories.rpmmd.other import read_changelogs
from affineur.repositories.rpmmd.primary import _Reader as PrimaryReader
from affineur.repositories.rpmmd.primary import read_primary
from affineur.repositories.rpmmd.repomd import read_repomd
from affineur.repositories.rpmmd.zchunk import unchunked
from affineur.source.auth import challenges, check_realm
from affineur.source.configuration.authfiles import Place as AuthPlace
from affineur.source.configuration.authfiles import parse_auth_file
from affineur.source.configuration.registriesconf import parse_registries_conf
from affineur.source.registry import RegistrySource
from affineur.streams.decompress import PIECE, decompressed
from affineur.streams.tar import Archive
from support import made_rpmdb

__all__ = ["TARGETS", "Target"]

Target = Callable[[bytes], None]
PAGE = "https://registry.example/v2/team/app/tags/list"
READ_MAX = 1 << 20
_RPMDB = made_rpmdb.sqlite([made_rpmdb.header()])
_INSTALLED = [Package("hello", "1.0-1", "x86_64", "hello", "1.0-1", manager="rpm", module="mm:1:2:c3")]
_FOLDER = tempfile.TemporaryDirectory(prefix="affineur-fuzz-")
_AUTH_FILE = AuthPlace(Path(_FOLDER.name) / "auth.json", "fuzz")


def _text(content: bytes) -> str:
    """As the command line and headers hand bytes on."""
    return content.decode("utf-8", "surrogateescape")


def reference(content: bytes) -> None:
    """parse(print(x)) == x."""
    with contextlib.suppress(InvalidReference):
        read = parse_reference(_text(content))
        assert parse_reference(str(read)) == read
        assert not set(str(read)) & set("\0\n\x1b ")


def place(content: bytes) -> None:
    """parse(print(x)) == x, for what is on this machine."""
    with contextlib.suppress(InvalidReference):
        read = parse_place(_text(content))
        if read is not None:
            assert parse_place(str(read)) == read


def platform(content: bytes) -> None:
    """parse(print(x)) == x."""
    with contextlib.suppress(InputError):
        read = parse_platform(_text(content))
        assert parse_platform(str(read)) == read


def digest(content: bytes) -> None:
    """Its path in a layout stays below `blobs`."""
    with contextlib.suppress(MalformedDocument):
        read = Digest(_text(content))
        assert Digest(str(read)) == f"{read.algorithm}:{read.encoded}" == read
        assert not set(read) & set("/\\\0")
        assert ".." not in (read.algorithm, read.encoded)


def challenge(content: bytes) -> None:
    """Never an error: what cannot be read ends its line."""
    lines = _text(content).split("\n")
    for found in challenges(lines):
        assert found.scheme == found.scheme.lower()
        assert all(isinstance(value, str) for value in found.parameters.values())


def realm(content: bytes) -> None:
    """A token service is refused, or is a host that the registry may name."""
    text = _text(content)
    with contextlib.suppress(ForbiddenAddress):
        check_realm(text, "https://registry.example")
        assert origin_of(text)[0] == "https"
    with contextlib.suppress(ForbiddenAddress):
        check_realm(text, "http://127.0.0.1:5000")
        assert origin_of(text)[1] in ("localhost", "::1") or origin_of(text)[1].startswith("127.")


def url(content: bytes) -> None:
    """A URL that may be asked says one host, to us and to whoever reads it after us."""
    text = _text(content)
    with contextlib.suppress(ForbiddenAddress):
        scheme, host, port = origin_of(text)
        assert text.lower().startswith(f"{scheme}://")
        assert not set(host) & set("@/\\%?# \t\r\n\0")
        assert 0 < port < 65536
        authority = re.split(r"[/?#\\]", text.partition("://")[2])[0].lower()
        assert authority.removesuffix(f":{port}").rstrip(":").strip("[]") == host or ":0" in authority


def link(content: bytes) -> None:
    """The next page is on the same host, or is refused."""
    answer = Response(200, Headers([("Link", _text(content))]), b"", PAGE)
    source = RegistrySource(parse_reference("registry.example/team/app"), Client(environment={}))
    with contextlib.suppress(ContentError):
        following = source.access.next_page(PAGE, answer)
        if following is not None:
            with contextlib.suppress(ForbiddenAddress):  # it is asked by the client, which looks again
                assert origin_of(following) == ("https", "registry.example", 443)


def retry_after(content: bytes) -> None:
    """Seconds, not negative, or None."""
    wait = retry_after_s(_text(content), 1_700_000_000.0)
    assert wait is None or wait >= 0


def manifest(content: bytes) -> None:
    """What is accepted is of one kind, within limits, and says to the standard library what it says to us."""
    for served in ("", *ACCEPT):
        document = Document(content, served, Digest.of(content), "fuzz")
        with contextlib.suppress(ContentError):
            read = read_manifest(document)
            assert read.media_type in ACCEPT
            assert read_manifest(document) == read
            if isinstance(read, Manifest):
                assert len(read.layers) <= MAX_CHILDREN
                artifact(read)
                _same_digests(content, "layers", [each.digest for each in read.layers])
                for each in (read.config, *read.layers):
                    with contextlib.suppress(ContentError):
                        each.embedded()
            elif isinstance(read, Index):
                _same_digests(content, "manifests", [each.digest for each in read.manifests])


def _same_digests(content: bytes, member: str, expected: list[Digest]) -> None:
    assert [each["digest"] for each in _plainly(content)[member]] == expected


def _plainly(content: bytes) -> Any:
    """As the standard library reads it, save for the numbers, which it bounds."""
    return json.loads(content, parse_int=str)


def schema1(content: bytes) -> None:
    """The digest is over what is read."""
    with contextlib.suppress(ContentError):
        assert content_digest(content, "fuzz") == Digest.of(payload(content, "fuzz"))
        read = read_schema1(content, "", "fuzz")
        assert 0 < len(read.blobs) >= len(read.layers)
        said = _plainly(payload(content, "fuzz"))
        assert {each["blobSum"] for each in said["fsLayers"]} >= set(read.blobs)


def config(content: bytes) -> None:
    """An image's configuration, or refused."""
    with contextlib.suppress(ContentError):
        read = read_config(content, "fuzz")
        said = _plainly(content)
        assert read.created == said.get("created")
        assert list(read.diff_ids) == ((said.get("rootfs") or {}).get("diff_ids") or [])


def tar(content: bytes) -> None:
    """Entries, then the end or an error; no more of them than there are blocks."""
    archive = Archive(iter([content[:700], content[700:]]), "fuzz")
    with contextlib.suppress(ContentError):
        for position, entry in enumerate(archive.entries()):
            assert entry.size >= 0
            if position % 2 and entry.size <= READ_MAX:
                assert len(archive.read(entry, READ_MAX)) == entry.size
    assert archive.seen <= len(content) // 512 + 1


def layer(content: bytes) -> None:
    """As the walk reads one: unpacked, searched, and read to its end."""
    reader = Verbatim("fuzz", 1, ("etc/*", "var/lib/dpkg/*"))
    with contextlib.suppress(ContentError):
        _, pieces = decompressed(iter([content[:100], content[100:]]), "fuzz")
        scanned(_bounded(pieces, len(content)), [(reader, Interest(reader.paths))], "fuzz")
        for _ in pieces:
            pass


def _bounded(pieces: Iterator[bytes], packed: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        assert len(piece) <= max(PIECE, packed)
        total += len(piece)
        if total > 1 << 26:  # a bomb is another test's; here it would only take time
            return
        yield piece


def dpkg_status(content: bytes) -> None:
    """Packages, or refused."""
    with contextlib.suppress(ContentError):
        for package in DPKG.extract("var/lib/dpkg/status", content):
            assert package.name


def apk_database(content: bytes) -> None:
    """Packages, or refused."""
    with contextlib.suppress(ContentError):
        assert all(package.name and package.version for package in APK.extract("lib/apk/db/installed", content))


def apk_index(content: bytes) -> None:
    """Signatures, then what they are of: taken apart, verified, unpacked and parsed, each as if the one before held."""
    with contextlib.suppress(ContentError):
        signed = opened(content, "fuzz")
        assert content.endswith(signed.content)
        with contextlib.suppress(ContentError):
            assert verified_by(signed, {}, "fuzz", by_name=False)
        contents = unpacked(signed.content, "fuzz")
        assert all(offer.name and offer.version for offer in parse_index(contents.text, None, "fuzz"))


def apk_records(content: bytes) -> None:
    """Offers, or refused."""
    with contextlib.suppress(ContentError):
        assert all(offer.name and offer.version for offer in parse_index(content, None, "fuzz"))


def apk_key(content: bytes) -> None:
    """A key that a signature of nothing cannot satisfy, or none."""
    with contextlib.suppress(ContentError):
        key = read_key(content, "fuzz")
        assert not verifies(key, content[:512], "sha1", b"\0" * 20)


def apk_configuration(content: bytes) -> None:
    """Read, with what is wrong said; nothing but http and https is ever to be asked."""
    names = ("etc/apk/repositories", "etc/apk/world", "etc/apk/arch")
    found = apk_read_configuration(dict.fromkeys(names, content), "x86_64")
    assert all(each.url.lower().startswith(("http://", "https://")) for each in found.repositories)


def unfixed(content: bytes) -> None:
    """What three vendors and OSV's records say of flaws without a fix; what is read can be kept, and read again."""
    for read in (csaf.stated, ubuntuvex.stated, left_open, lambda whole: tracked(whole, "fuzz")):
        kept = Statements()
        with contextlib.suppress(MalformedDocument):
            for release, package, statement in read(content):
                kept.add(release, package, statement)
        said = [json.loads(line) for _, body in kept.entries() if body for line in zlib.decompress(body).splitlines()]
        assert len(said) == kept.count
        assert all(Statement(*each).cve.startswith("CVE-") for each in said)
    with contextlib.suppress(MalformedDocument):
        for cve, flaw in csaf.rated(content):
            assert cve.startswith("CVE-")
            assert flaw.score is None or 0 <= flaw.score <= 10


def secdb(content: bytes) -> None:
    """Fixes, or refused."""
    with contextlib.suppress(ContentError):
        assert all(fix.ids and (fix.version or not fix.readable) for fix in read_secdb(content, "fuzz"))


def rpm_database(content: bytes) -> None:
    """Packages, keys and files in any of the formats, or refused; what is read is no more than what is there."""
    assert RPM.claims(content) in (True, False)
    with contextlib.suppress(ContentError):
        found = RPM.extract("var/lib/rpm/Packages", content)
        assert all(package.name and "-" in package.version for package in found)
    with contextlib.suppress(ContentError):
        assert all(key.key_id is not None for key in keys("Packages", content))
    with contextlib.suppress(ContentError):
        for header in headers("Packages", content):
            assert all(isinstance(file.path, str) for file in files(header))


def rpm_log(content: bytes) -> None:
    """What is committed there counts; a log that is none changes nothing."""
    with contextlib.suppress(ContentError):
        assert len(list(RPM.read({"rpmdb.sqlite": _RPMDB, "rpmdb.sqlite-wal": content}))) <= len(content) + 1


def rpm_header(content: bytes) -> None:
    """Files, or refused."""
    with contextlib.suppress(ContentError):
        assert all(len(file) == 6 for file in files(Header("Packages", 1, content)))


def rpm_signature(content: bytes) -> None:
    """A key id or nothing, never an error."""
    assert len(issuer(content)) in (0, 16)
    assert len(key_fingerprint(content)) in (0, 40, 64)


def updateinfo(content: bytes) -> None:
    """Notices, or refused; what counts is listed, too."""
    with contextlib.suppress(ContentError):
        errata = list(read_updateinfo([content[:100], content[100:]], "rhel", "fuzz"))
        assert all(erratum.id for erratum in errata)
        lines = listed(_INSTALLED, errata, {"mm:1"})
        counted = {finding.erratum.id for finding in match_builds(_INSTALLED, errata, {"mm:1"}) if finding.packages}
        crossing = {erratum.id for erratum in errata if any(b.architecture == "noarch" for b in erratum.builds)}
        assert counted - crossing <= {line.erratum for line in lines}
        assert len(list_lines(lines)) == len(lines)
        assert bool(summary_lines(lines)) is bool(lines)


def rpm_primary(content: bytes) -> None:
    """Offers, or refused; cutting out what is not read never changes them, nor do the pieces' sizes."""
    try:
        reader = PrimaryReader("fuzz")
        for _ in elements.parsed([content], reader, "fuzz"):
            pass
    except ContentError:  # it may be broken in a part that is not read
        with contextlib.suppress(ContentError):
            assert all(offer.name for offer in read_primary([content], "fuzz"))
        return
    assert list(read_primary([content[:100], content[100:]], "fuzz")) == reader.ready


def rpm_changelogs(content: bytes) -> None:
    """Changelogs, or refused; cutting out what nobody asked for never changes the others."""
    try:
        everything = dict(read_changelogs([content], ["a1", "b2", "c3"]))
    except ContentError:
        with contextlib.suppress(ContentError):
            list(read_changelogs([content], ["a1"]))
        return
    some = dict(read_changelogs([content[:100], content[100:]], ["a1"]))
    assert some == {name: entries for name, entries in everything.items() if name == "a1"}


def rpm_modules(content: bytes) -> None:
    """Module streams, or refused; one stream of a module is active at most."""
    with contextlib.suppress(ContentError):
        read = read_modules(content)
        active = activated([read], [ModuleState("m", "1", "enabled")], "platform:el8").streams
        assert len({each.name for each in active}) == len({(each.name, each.stream) for each in active})


def rpm_configuration(content: bytes) -> None:
    """A configuration, whoever reads it; a login is in none of its URLs."""
    for manager, version in (("dnf", "4-1"), ("yum", "3.4-1"), ("tdnf", "3-1"), ("zypper", "1-1")):
        release = OSRelease({"ID": "opensuse-leap" if manager == "zypper" else "centos"})
        package = Package(manager, version, "x86_64", manager, version)
        read = rpm_read_configuration({path.replace("*", "x"): content for path in PATHS}, [package], "amd64", release)
        assert read.manager == ("dnf" if manager == "tdnf" else manager)
        for each in read.repositories:
            for url in (*each.baseurl, each.metalink, each.mirrorlist):
                assert "@" not in url.partition("//")[2].partition("/")[0] or not each.credentials


def rpm_mirrors(content: bytes) -> None:
    """Mirrors by http alone, or refused."""
    with contextlib.suppress(ContentError):
        assert all(url.lower().startswith("http") for url in read_metalink(content, "fuzz").mirrors)
    with contextlib.suppress(ContentError):
        assert all(url.lower().startswith("http") for url in read_mirrorlist(content, "fuzz"))


def rpm_repomd(content: bytes) -> None:
    """Files with checksums, or refused."""
    with contextlib.suppress(ContentError):
        assert all(file.href and ":" in file.checksum for file in read_repomd(content, "fuzz").data.values())


def rpm_zchunk(content: bytes) -> None:
    """What is unpacked, or refused; the pieces' sizes never change it."""
    with contextlib.suppress(ContentError):
        whole = b"".join(unchunked(content, iter(()), "fuzz"))
        assert b"".join(unchunked(content[:9], iter([content[9:20], content[20:]]), "fuzz")) == whole


def os_release(content: bytes) -> None:
    """Never an error."""
    assert all(isinstance(value, str) for value in parsed(content).values())


def auth_file(content: bytes) -> None:
    """Logins, or refused; whatever is asked of the file."""
    with contextlib.suppress(Error):
        _AUTH_FILE.path.write_bytes(content)
        file = parse_auth_file(_AUTH_FILE)
        if file is not None:
            for name in ("registry.example", "docker.io"):
                file.helper_for(name)
                key = file.entry_for(name, "team/app", bare=False)
                if key is not None:
                    login = file.login(key, Path("auth.json"))
                    assert login is None or login.identity_token or (login.username and login.password)


def registries_conf(content: bytes) -> None:
    """Entries and aliases, or refused. The standard library takes quadratic memory for one key of very many parts."""
    if max(line.count(b".") for line in content.split(b"\n")) > 1000:
        return
    with contextlib.suppress(InputError):
        for prefix, entry in parse_registries_conf(content, Path("registries.conf")).entries.items():
            assert prefix == entry.prefix


TARGETS: Mapping[str, Target] = {
    each.__name__: each
    for each in (
        *(reference, place, platform, digest, challenge, realm, url, link, retry_after, manifest, schema1, config),
        *(
            tar,
            layer,
            dpkg_status,
            apk_database,
            apk_index,
            apk_records,
            apk_key,
            apk_configuration,
            secdb,
            unfixed,
            rpm_database,
            rpm_log,
            rpm_header,
            rpm_signature,
            updateinfo,
            rpm_primary,
            rpm_changelogs,
            rpm_modules,
            rpm_configuration,
            rpm_mirrors,
            rpm_repomd,
            rpm_zchunk,
            os_release,
            auth_file,
            registries_conf,
        ),
    )
}
