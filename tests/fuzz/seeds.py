"""Honest examples for each target: a few made here, so that there is always something, and what fits of the corpus."""

import bz2
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from support import apk, made_rpmdb, rpm_roots
from support.rpm_world import notice, updateinfo
from support.unfixed import TRACKER, red_hat_document, ubuntu_document

__all__ = ["seeds"]

MAX_SEED_BYTES = 64 * 1024
MAX_SEEDS = 60
CHANGELOGS = (
    b'<?xml version="1.0"?>\n<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="2">'
    b'<package pkgid="a1" name="a"><version ver="1"/><changelog author="J &lt;j&gt;" date="1554033600">- fix &amp;'
    b'</changelog></package>\n<package pkgid="b2" name="b"><changelog author="K" date="1">x</changelog></package>\n'
    b"</otherdata>\n"
)
RPM_CONFIGURATION = b"""[main]
gpgcheck=1
exclude=kernel*, a
[base-$releasever]
name = Base ${releasever:-9} $basearch
baseurl=http://user:password@a.example/$releasever/$basearch/
  https://b.example/
# comment
metalink=https://m.example/?repo=base&arch=$basearch
enabled=1
priority=10
gpgkey=file:///etc/pki/key
"""
METALINK = (
    b'<metalink xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager"><files>'
    b'<file name="repomd.xml"><mm0:timestamp>1</mm0:timestamp><size>2</size><verification><hash type="sha256">'
    + b"a"
    * 64
    + b"</hash></verification><mm0:alternates><mm0:alternate><size>3</size></mm0:alternate></mm0:alternates><resources>"
    b'<url preference="100">http://a.example/repodata/repomd.xml</url></resources></file></files></metalink>'
)
REPOMD = (
    b'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1717200000</revision><data type="primary">'
    b'<checksum type="sha">' + b"a" * 40 + b'</checksum><location href="repodata/primary.xml.gz"/><size>1</size>'
    b"<timestamp>1717200000.5</timestamp></data></repomd>"
)
ZCHUNK = (  # two chunks without compression, after a dictionary of nothing
    b"\0ZCK1\x81\x0c\x81" + bytes(32) + bytes(32) + b"\x80\x80\xe8\x81\x83"
    + bytes(32) + b"\x80\x80" + bytes(32) + b"\x83\x83" + bytes(32) + b"\x82\x82" + b"\x80" + b"abcde"
)  # fmt: skip
MODULES = b"""---
document: modulemd
version: 2
data:
  name: m
  stream: 1
  version: 2
  context: c
  dependencies:
  - requires: {platform: [el8], n: [1, -2]}
  artifacts: {rpms: ["a-0:1-1.x86_64"]}
---
document: modulemd
version: 2
data: {name: n, stream: 1, static_context: true}
---
document: modulemd-defaults
version: 1
data: {module: n, stream: 1, modified: 2}
"""
HEX = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
SHA256 = f"sha256:{HEX}"
APK_DATABASE = b"C:Q1=\nP:musl\nV:1.2.3-r4\nA:x86_64\nI:9\no:musl\ns:edge\nF:lib\nR:ld\na:0:0:755\nZ:Q1=\n\nP:a\nV:1\n"
APK_RECORDS = "\n".join(apk.record(name, "1.2_rc1-r0", origin="openssl") for name in ("libssl1.1", "libcrypto1.1"))
APK_CONTENT = apk.packed_index([APK_RECORDS], "v3.16.3-13-g4d933a1fa3")
APK_CONFIGURATION = (
    b"set a=https://a.example\nv2 @edge ${a}/x main community\nndx https://b.example/x.tar.gz\n/media/x\n"
    b"!name a@edge b=1.2-r0 c~1 d><Q1abc= so:libc.so.1 x86_64\n"
)
SECDB = b'{"packages": [{"pkg": {"name": "a", "secfixes": {"1-r0": ["CVE-2019-1000 XSA-1", "x"], "0": null}}}]}'
HELLO = [("hello", "1.1-1", "x86_64", "hello-1.1-1.src.rpm")]
NAMES = (
    *("debian", "docker.io/library/debian:12", "localhost:5000/a/b", "[2001:db8::1]:5000/repo:v1", "Host.example/x"),
    *(f"registry.example/team/app:1@{SHA256}", "docker://registry.example/team/app", f"a@sha512:{HEX}{HEX}"),
)
PLACES = ("oci:/dir:name", "oci:dir:@1", f"oci-archive:a.tar:b@{SHA256}", "docker-archive:a.tar:app:1", "dir:/x:y")
CHALLENGES = (
    'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull,push"',
    'Basic realm="a \\"quoted\\" one", Bearer realm="https://auth.example/token"',
    "Negotiate, Basic realm=simple, charset=UTF-8",
)
REALMS = (
    "https://auth.example/token",
    "http://127.0.0.1:5001/token?a=b",
    "https://[::1]/x",
    "https://u:p@auth.example/",
)
LINKS = (
    '</v2/team/app/tags/list?last=x&n=2>; rel="next"',
    "<https://registry.example/v2/?a=b>; foo=bar; rel=next",
    '<?last=1>;rel="prev next", <//elsewhere.example/>; rel="next"',
)
WAITS = ("120", "Fri, 31 Dec 1999 23:59:59 GMT", "0")
CONFIG_TYPE, LAYER_TYPE = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
DESCRIPTOR = {
    "mediaType": LAYER_TYPE,
    "digest": SHA256,
    "size": 9,
    "annotations": {"a": "b"},
    "urls": ["https://x.example/"],
}
MANIFESTS = (
    {"schemaVersion": 2, "config": {**DESCRIPTOR, "mediaType": CONFIG_TYPE, "data": "e30="}, "layers": [DESCRIPTOR]},
    {
        "schemaVersion": 2,
        "manifests": [{**DESCRIPTOR, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}],
    },
)
STEPS = ({"id": "b" * 64, "parent": "a" * 64, "throwaway": True}, {"id": "a" * 64, "container_config": {"Cmd": ["a"]}})
PROTECTED = "eyJmb3JtYXRMZW5ndGgiOjI0LCJmb3JtYXRUYWlsIjoiZlEifQ"
SCHEMA_1 = {
    "schemaVersion": 1,
    "fsLayers": [{"blobSum": SHA256}] * 2,
    "history": [{"v1Compatibility": json.dumps(step)} for step in STEPS],
    "signatures": [{"protected": PROTECTED, "signature": "x"}],
}
CONFIG = {
    "created": "2026-01-02T03:04:05Z",
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["A=b"], "Labels": {"a": "b"}, "Entrypoint": None, "Volumes": {"/a": {}}},
    "rootfs": {"type": "layers", "diff_ids": [SHA256]},
    "history": [{"created_by": "x", "empty_layer": True}],
}
STATUS = b"""Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib (1:1.2)
Version: 1:1.2.13.dfsg-1
Description: a
 continued
 .

"""
OS_RELEASE = b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME=\'a b\'\n# x\nA="\\$b\\"c"\n'
AUTHS = {
    "auths": {"registry.example/team": {"auth": "dTpw"}, "https://index.docker.io/v1/": {"identitytoken": "x"}},
    "credHelpers": {"registry.example": "pass"},
    "credsStore": "secretservice",
}
REGISTRIES = b"""unqualified-search-registries = ["registry.example"]
short-name-mode = "enforcing"
[[registry]]
prefix = "*.registry.example"
location = "mirror.example/x"
insecure = true
[[registry.mirror]]
location = "b.example"
pull-from-mirror = "digest-only"
[aliases]
"debian" = "docker.io/library/debian"
"""

HEADERS = (made_rpmdb.header(), made_rpmdb.header(t1000="other", t1003=None, t1117=["f"] * 400))


def seeds(target: str, corpus: Path | None) -> list[bytes]:
    """In an order that is always the same; the larger ones of the corpus are left out."""
    found = _found(target, corpus) if corpus is not None else ()
    return [*map(_encoded, _MADE[target]), *found]


def _encoded(value: object) -> bytes:
    return value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("etc/os-release", OS_RELEASE), ("x" * 200, b"y"), ("var/lib/dpkg/status", STATUS)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("etc/alternatives/.wh.x")
        link.type, link.linkname = tarfile.SYMTYPE, "../../y"
        archive.addfile(link)
    return out.getvalue()


def _found(target: str, corpus: Path) -> Iterator[bytes]:
    count = 0
    for pattern in _IN_THE_CORPUS.get(target, ()):
        for path in sorted(corpus.glob(pattern)):
            if not path.is_file() or path.stat().st_size > 4 * MAX_SEED_BYTES or count == MAX_SEEDS:
                continue
            content = path.read_bytes()
            content = bz2.decompress(content) if path.suffix == ".bz2" else content
            if 0 < len(content) <= MAX_SEED_BYTES:
                count += 1
                yield content


_MADE: dict[str, tuple[object, ...]] = {
    "reference": NAMES,
    "place": (*PLACES, *NAMES),
    "platform": ("linux/arm64/v8", "amd64", "windows/amd64"),
    "digest": (SHA256, f"sha512:{HEX}{HEX}", "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"),
    "challenge": CHALLENGES,
    "realm": REALMS,
    "url": (*REALMS, "http://localhost:8080/a?b#c", "https://192.0.2.1:443/", "https://a.b-c.example./x%20y"),
    "link": LINKS,
    "retry_after": WAITS,
    "manifest": (*MANIFESTS, SCHEMA_1),
    "schema1": (SCHEMA_1, {**SCHEMA_1, "signatures": []}),
    "config": (CONFIG,),
    "tar": (_tar(),),
    "layer": (_tar(), gzip.compress(_tar(), mtime=0)),
    "dpkg_status": (STATUS,),
    "apk_database": (APK_DATABASE,),
    "apk_index": tuple(
        apk.signed_index(APK_CONTENT, apk.Key(1), apk.Key(2), algorithm=algorithm) for algorithm in ("RSA", "RSA256")
    ),
    "apk_records": (APK_RECORDS.encode(),),
    "apk_key": (apk.Key(1).pem,),
    "apk_configuration": (APK_CONFIGURATION,),
    "secdb": (SECDB,),
    "unfixed": (
        json.dumps(TRACKER).encode(),
        *(ubuntu_document("old"), ubuntu_document("new")),
        red_hat_document("CVE-2026-1111", affected={"8:curl": "Will not fix", "9:nodejs:18/nodejs": "Affected"}),
        b'{"id": "DEBIAN-CVE-2026-1111", "affected": [{"package": {"ecosystem": "Debian:12", "name": "curl"}, "ranges":'
        b' [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1"}, {"introduced": "2"}]}]}]}',
    ),
    "rpm_database": (
        *(made_rpmdb.bdb(HEADERS), made_rpmdb.bdb(HEADERS, ">"), made_rpmdb.ndb(HEADERS)),
        made_rpmdb.sqlite(HEADERS),
    ),
    "rpm_log": (made_rpmdb.log_of(made_rpmdb.sqlite(HEADERS[:1]), made_rpmdb.sqlite(HEADERS)),),
    "rpm_header": HEADERS,
    "rpm_signature": (made_rpmdb.TOOL[268],),
    "updateinfo": (
        updateinfo(
            notice("RHSA-2026:1", HELLO, cves=["CVE-2026-1234"]),
            notice("RHBA-2026:2", [*HELLO, ("lib", "2:1-1", "noarch", "")], kind="bugfix", module="mm:1:2:c3"),
        ),
        "<updates/>",
    ),
    "rpm_primary": (
        rpm_roots.primary(
            [
                rpm_roots.Rpm("a", "1:2-3", "x86_64", "src", "Vendor", ("b LT 1-1", "c"), ("d",)),
                rpm_roots.Rpm("lib", "1-1"),
            ]
        ),
        b"<!-- --><metadata/>",
    ),
    "rpm_changelogs": (CHANGELOGS, CHANGELOGS.replace(b"- fix", b"<![CDATA[</package>]]>")),
    "rpm_modules": (MODULES,),
    "rpm_configuration": (
        RPM_CONFIGURATION,
        b"[a]\nstate=enabled\nstream=1\nname=a\n",
        b"type: package\nsolvable_name: x\n",
    ),
    "rpm_mirrors": (METALINK, b"# mirrors\nhttps://a.example/\nhttp://u:p@b.example/x\n"),
    "rpm_repomd": (REPOMD,),
    "rpm_zchunk": (ZCHUNK,),
    "os_release": (OS_RELEASE,),
    "auth_file": (AUTHS,),
    "registries_conf": (REGISTRIES, b'[registries.search]\nregistries = ["a.example"]\n'),
}
_IN_THE_CORPUS = {
    "manifest": ("manifests/**/*.json", "images/oci-layout-*/index.json", "images/oci-layout-testrepo/blobs/sha256/*"),
    "schema1": ("manifests/**/v2s1*.json",),
    "config": ("images/oci-layout-*/blobs/sha256/*",),
    "tar": ("malformed/**/*.tar", "malformed/**/*.tar.bz2"),
    "layer": (
        "malformed/**/*.tar*",
        "malformed/**/*.tgz",
        "images/oci-archive-*.tar",
        "images/oci-layout-testrepo/blobs/sha256/*",
    ),
    "os_release": ("os-release/os-release/*/*",),
}
