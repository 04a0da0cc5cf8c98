"""Images of apk, and their indexes and databases, that want harm, through the command: never an A, never a fault."""

import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from affineur.cli.main import run
from support.apk import Key, packed_index, signed_index
from support.apk_world import HOST, ApkWorld, built, installed
from support.command import Done
from support.endings import judged, refused, unassessed, unknown
from support.hostile_network import PUBLIC, Network
from support.hostile_victim import in_place
from support.registry import tar_of

ASSESS = ("assess", "--json")
MAIN = "alpine/v3.16/main/x86_64/APKINDEX.tar.gz"
INSTALLED = "lib/apk/db/installed"


class BentWorld(ApkWorld):
    """ApkWorld with what is served bent at the last moment.

    Attributes:
        bent: path → what is served there; None: nothing.
        network: what clients connect by.
        public: whether the image lies in a registry of the internet, and the settings restrict no address.
    """

    def __init__(self, folder: Path, network: Network) -> None:
        super().__init__(folder)
        vars(self.served._server)["handle_error"] = lambda *_: None  # says nothing of an asker who left
        self.bent: dict[str, bytes | None] = {}
        self.network, self.public = network, False

    def publish(self) -> None:
        super().publish()
        for path, content in self.bent.items():
            if content is None:
                self.served.files.pop(path, None)
            else:
                self.served.files[path] = content

    def run(self, command: str, *arguments: str) -> Done:
        """As ApkWorld; nothing but loopback is asked, nothing but the cache written."""
        self.publish()
        config = self.configuration()
        words = [command, "--settings", str(config), *arguments]
        if self.public:
            config.write_text(config.read_text().replace('allow = ["127.0.0.0/8"]', ""))
            self.network.names["registry.example"] = [[PUBLIC]]
            host = f"registry.example:{self.registry.host.rpartition(':')[2]}"
            words += ["--tls-verify=false", f"{host}/team/app:1"]
        else:
            words.append(self.image)
        before = self._written()
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(words)
        assert not self.network.forbidden, self.network.forbidden
        assert self._written() == before, "something was written outside the cache"
        assert "Traceback" not in err.getvalue()
        assert "\x1b" not in out.getvalue() + err.getvalue()
        return Done(code, out.getvalue(), err.getvalue())

    def _written(self) -> set[Path]:
        cache = self.folder / "cache"
        return {path for path in self.folder.rglob("*") if cache not in (path, *path.parents)}


@pytest.fixture
def lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BentWorld]:
    """Lacks a fix: a B."""
    network = Network()
    in_place(monkeypatch, network, [])
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with BentWorld(tmp_path, network) as made:
        yield made
    network.close()


@pytest.fixture
def updated(lacking: BentWorld) -> BentWorld:
    """Lacks nothing: an A."""
    lacking.packages = [each.replace("1.1.1s-r0", "1.1.1t-r0") for each in lacking.packages]
    return lacking


def test_the_stage(lacking: BentWorld) -> None:
    """What each case below takes away."""
    assert judged(lacking.run(*ASSESS))["grade"]["letter"] == "B"
    lacking.packages = [each.replace("1.1.1s-r0", "1.1.1t-r0") for each in lacking.packages]
    assert judged(lacking.run(*ASSESS))["grade"]["letter"] == "A"


# ---- indexes


def packed(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """A gzip file of a tar, in this order, the same name more than once if so given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            if member.isreg():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1, mtime=0)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


Make = Callable[[BentWorld, bytes], bytes]
MANY = [(f".SIGN.RSA.{n}", b"x") for n in range(99)]
OTHER = packed_index([built("musl", "9-r0", 0)])
TEXT = (built("libssl1.1", "1.1.1t-r0", 20, "openssl") + "\n").encode()


def signed(content: bytes) -> Make:
    """By the distribution's own key."""
    return lambda world, _: signed_index(content, world.served.key)


def bomb(world: BentWorld, _: bytes) -> bytes:
    """Signed: 300 MB of spaces."""
    member = tarfile.TarInfo("APKINDEX")
    member.size = 300 << 20
    head = gzip.compress(member.tobuf(), mtime=0)
    return signed_index(head + gzip.compress(b" " * (4 << 20), mtime=0) * 75, world.served.key)


INDEXES: dict[str, tuple[Make, str]] = {
    "unsigned": (lambda _, good: packed_index([built("musl", "9-r0", 0)]), "not signed"),
    "by another key": (lambda world, good: signed_index(packed_index([]), Key(2, world.served.key.name)), "signed by"),
    "by a key of another name": (lambda _, good: signed_index(packed_index([]), Key(3)), "signed by"),
    "over other bytes": (lambda _, good: good[: good.index(b"\x1f\x8b", 2)] + OTHER, "signed by"),
    "with more at its end": (lambda _, good: good + packed_index([built("musl", "9-r0", 0)]), "signed by"),
    "cut short": (lambda _, good: good[:-20], "signed by"),
    "cut short in the signature": (lambda _, good: good[:100], "gzip"),
    "empty": (lambda *_: b"", ""),
    "a page": (lambda *_: b"<html>not found</html>", "gzip"),
    "a bomb for a signature": (lambda *_: gzip.compress(bytes(64 << 20), mtime=0), "not signed|no list of signatures"),
    "many signatures": (lambda world, _: packed(*MANY) + OTHER, "signatures"),
    "a huge signature": (lambda *_: packed((".SIGN.RSA.x", b"x" * 90_000)) + packed_index([]), ""),
    "a link for a signature": (lambda *_: packed((link(".SIGN.RSA.x", "/etc/passwd"), b"")) + OTHER, "not signed"),
    "a signature of an odd name": (lambda *_: packed((".SIGN.RSA.../../x", b"x" * 256)) + packed_index([]), ""),
    "a signature of an odd kind": (lambda *_: packed((".SIGN.NONE.x", b"")) + packed_index([]), "not signed"),
    "signed, nothing": (signed(b""), ""),
    "signed, no archive": (signed(b"nothing"), ""),
    "signed, no index": (signed(packed(("DESCRIPTION", b"v3.16.3-13-g4d933a1fa3"))), "no APKINDEX"),
    "signed, two indexes": (signed(packed(("APKINDEX", TEXT), ("APKINDEX", TEXT))), "two indexes"),
    "signed, an index that is a link": (signed(packed((link("APKINDEX", "/etc/passwd"), b""))), "no APKINDEX"),
    "signed, a hard link": (signed(packed((link("APKINDEX", "/etc/passwd", tarfile.LNKTYPE), b""))), "no APKINDEX"),
    "signed, a device": (signed(packed((link("APKINDEX", "", tarfile.CHRTYPE), b""))), "no APKINDEX"),
    "signed, an absolute path": (signed(packed(("/APKINDEX", TEXT), ("../APKINDEX", TEXT))), ""),
    "signed, many files": (signed(packed(*[(f"f{n}", b"") for n in range(99)])), "more than 16 files"),
    "signed, a bomb": (bomb, ""),
    "signed, without a name": (signed(packed(("APKINDEX", b"V:1-r0\nA:x86_64\n"))), ""),
    "signed, a name twice": (signed(packed(("APKINDEX", b"P:musl\nP:musl\nV:1-r0\n"))), ""),
    "signed, odd lines": (signed(packed(("APKINDEX", b"P:musl\nnonsense\nV:1-r0\n"))), ""),
    "signed, a huge record": (signed(packed(("APKINDEX", b"P:musl\nV:1\nT:" + b"x" * (2 << 20) + b"\n"))), ""),
    "signed, a time that is none": (signed(packed(("APKINDEX", TEXT.replace(b"t:", b"t:-")))), ""),
    "signed, a time of the far future": (signed(packed(("APKINDEX", re.sub(rb"t:\d+", b"t:999999999999", TEXT)))), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", INDEXES)
def test_an_index(updated: BentWorld, name: str) -> None:
    """In the place of main's: no letter, and what it would offer is not."""
    make, why = INDEXES[name]
    updated.publish()
    updated.bent[MAIN] = make(updated, updated.served.files[MAIN])
    document = unknown(updated.run(*ASSESS), "v3.16/main")
    assert re.search(why, unassessed(document)), unassessed(document)
    assert "musl" not in {each["name"] for each in document["updates"]}


def test_an_index_that_is_not_there(updated: BentWorld) -> None:
    updated.bent[MAIN] = None
    unknown(updated.run(*ASSESS), "v3.16/main")
    updated.bent[MAIN.replace("main", "community")] = None
    updated.run("updates")
    assert updated.run("updates").code in (3, 4)


def test_a_huge_index(updated: BentWorld) -> None:
    """Honest, and ten times as large as any: judged all the same."""
    updated.main += [built(f"other{n}", "1-r0", 400) for n in range(50_000)]
    assert judged(updated.run(*ASSESS))["grade"]["letter"] == "A"


KEYS: dict[str, bytes] = {
    "empty": b"",
    "text": b"no key",
    "cut short": Key().pem[:200],
    "binary": bytes(range(256)),
    "huge": b"-----BEGIN PUBLIC KEY-----\n" + b"A" * (2 << 20) + b"\n-----END PUBLIC KEY-----\n",
    "a private key": b"-----BEGIN RSA PRIVATE KEY-----\nMA==\n-----END RSA PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_none(updated: BentWorld, name: str) -> None:
    """apk inside would take nothing; the letter is by the pinned key."""
    updated.files[f"etc/apk/keys/{updated.served.key.name}"] = KEYS[name]
    document = judged(updated.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert document["updates"] == []


def test_thousands_of_keys(updated: BentWorld) -> None:
    updated.files |= {f"etc/apk/keys/a{n}.rsa.pub": Key(2).pem for n in range(500)}
    assert judged(updated.run(*ASSESS))["grade"]["letter"] == "A"


# ---- what apk is told

TRAPS = {
    "http://169.254.169.254/latest": "never asked",
    "http://[::ffff:169.254.169.254]/x": "never asked",
    "http://metadata.example/x": "never asked",
    "http://10.1.2.3/x": "on a private network",
    "https://[fd00::1]/x": "on a private network",
    "http://127.0.0.1:PORT/x": "on this machine",
    "http://localhost:PORT/x": "on this machine",
    "/var/cache/apk": "means a folder in the image",
    "file:///etc": "means a folder in the image",
    "ftp://mirror.example/x": "only http and https",
    "http://[::1": "",
    "http://": "only http and https",
    "https:///x": "only http and https",
    "http://mirror.example:99999/x": "",
    "http://mirror.example/../../x": "",
    "http://mirror.example/%0d%0aX:y": "",
    "http://\u202emirror.example/x": "",
    "@edge": "no URL",
    "v3 http://mirror.example/x": "third format",
    "set APK_ARCH=../x": "no variable",
    "http://mirror.example/${nothing}": "is not set",
    "http://mirror.example/" + "x" * 90_000: "",
}


@pytest.mark.parametrize("line", TRAPS)
def test_a_repository_of_the_image(updated: BentWorld, line: str) -> None:
    updated.public = True
    updated.network.names |= {"metadata.example": [["169.254.169.254"]], "localhost": [["127.0.0.1"]]}
    port = updated.served.url.rpartition(":")[2]
    updated.files["etc/apk/repositories"] += f"{line.replace('PORT', port)}\n".encode()  # type: ignore[operator]
    document = judged(updated.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert TRAPS[line] in unassessed(document)
    assert not [path for path in updated.served.requests if path.startswith(("x/", "latest"))]


@pytest.mark.parametrize("line", ["http://169.254.169.254/x/v3.16/main", "/media/cdrom/apks", "", "# nothing"])
def test_repositories_that_name_nothing_else(updated: BentWorld, line: str) -> None:
    """The reference is read where it is; without it there is no letter."""
    updated.public = True
    updated.files["etc/apk/repositories"] = f"{line}\n".encode()
    document = judged(updated.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert "missing-suite" in {each["kind"] for each in document["deviations"]}
    updated.bent = {MAIN: None, MAIN.replace("main", "community"): None}
    unknown(updated.run(*ASSESS), "v3.16/main", "v3.16/community")


def test_variables_that_double(updated: BentWorld) -> None:
    doubling = "set a=xxxxxxxx\n" + "set a=${a}${a}\n" * 60
    updated.files["etc/apk/repositories"] += f"{doubling}http://mirror.example/${{a}}\n".encode()  # type: ignore[operator]
    assert "longer than 2000 characters" in unassessed(judged(updated.run(*ASSESS)))


def test_hundreds_of_repositories(lacking: BentWorld) -> None:
    lines = "".join(f"{HOST}/none{n}\n" for n in range(1000))
    lacking.files["etc/apk/repositories"] += lines.encode()  # type: ignore[operator]
    document = judged(lacking.run(*ASSESS))
    assert document["grade"]["letter"] == "B"
    assert "more than 200" in unassessed(document)


WORLDS: dict[str, bytes] = {
    "odd words": b">= = @ ! libssl1.1= =1 @edge !musl \xff\xfe a@b@c libssl1.1>< ~ \x1b[31m\n",
    "everything pinned": b"libssl1.1=1.1.1s-r0 libcrypto1.1=1.1.1s-r0 musl=1.2.3-r4 tree=2.0.2-r0\n",
    "everything tagged": b"libssl1.1@edge libcrypto1.1@edge musl@none\n",
    "older": b"libssl1.1<1.1.1t libcrypto1.1<1.1.1t-r0 musl~1\n",
    "conflicts": b"!libssl1.1 !libcrypto1.1\n",
    "huge": b"a" * 900_000 + b"\n",
    "larger": b"a " * (1 << 20),
    "many": b"".join(b"p%d=1-r0\n" % n for n in range(60_000)),
    "a version made to cost much": b"libssl1.1<" + b"1." * 100_000 + b"1\n",
    "empty": b"",
}


@pytest.mark.parametrize("name", WORLDS)
def test_world(lacking: BentWorld, name: str) -> None:
    """What it holds back is held back; the letter is by what is published."""
    lacking.files["etc/apk/world"] = WORLDS[name]
    document = judged(lacking.run(*ASSESS))
    assert document["grade"]["letter"] == "B", document["grade"]
    assert [each["id"] for each in document["errata"]] == ["secdb:openssl/1.1.1t-r0"]
    assert lacking.run("assess").code in (0, 1)


@pytest.mark.parametrize("architecture", [b"../x\n", b"aarch64\n", b"\xff\n", b"x86_64 " * 9000, b"X\n", b"\n"])
def test_an_architecture_that_lies(updated: BentWorld, architecture: bytes) -> None:
    updated.files["etc/apk/arch"] = architecture
    document = judged(updated.run(*ASSESS))
    if architecture.split()[:1] not in ([], [b"x86_64"]):
        unknown(updated.run(*ASSESS), "v3.16/main")
    else:
        assert document["grade"]["letter"] == "A"
    assert not [path for path in updated.served.requests if ".." in path]


# ---- fixes, and what rates them


def database(content: object) -> bytes:
    return json.dumps({"packages": content}).encode()


DATABASES: dict[str, bytes | None] = {
    "absent": None,
    "empty": b"",
    "a page": b"<html>not found</html>",
    "cut short": b'{"packages": [{"pkg": {"name": "openssl", "secfixes"',
    "deep": b"[" * 200_000,
    "deep inside": b'{"packages": ' + b"[" * 200_000,
    "another document": b'{"a": 1}',
    "a list": b"[]",
    "numbers": database([{"pkg": {"name": 1, "secfixes": {}}}]),
    "no name": database([{"pkg": {"secfixes": {"1-r0": ["CVE-2026-1"]}}}]),
    "fixes of another kind": database([{"pkg": {"name": "openssl", "secfixes": {"1.1.1t-r0": "CVE-2026-1"}}}]),
    "a version that is none": database([{"pkg": {"name": "openssl", "secfixes": {"latest!": ["CVE-2026-1000"]}}}]),
    "a version with an escape": database([{"pkg": {"name": "openssl", "secfixes": {"1\x1b[3": ["CVE-2026-1000"]}}}]),
    "many flaws": database([{"pkg": {"name": "x", "secfixes": {"1": [f"CVE-2026-{n:05}" for n in range(2000)]}}}]),
    "not UTF-8": b'{"packages": [{"pkg": {"name": "\xff", "secfixes": null}}]}',
}


@pytest.mark.parametrize("name", DATABASES)
def test_a_security_database(updated: BentWorld, name: str) -> None:
    """Which fixes there are is not known then."""
    updated.databases = {"main.json": DATABASES[name]}
    document = unknown(updated.run(*ASSESS))
    assert "main.json" in unassessed(document) + "\n".join(document["grade"]["reasons"])


def test_a_huge_security_database(updated: BentWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affineur.errata.apk.secdb.MAX_BYTES", 1 << 10)
    updated.databases = {"main.json": b'{"packages": [], "x": "' + b"x" * 2000 + b'"}'}
    assert "1024" in unassessed(unknown(updated.run(*ASSESS), "main.json"))


def test_tens_of_thousands_of_fixes(lacking: BentWorld) -> None:
    lacking.fixes = {
        **{f"p{n}": {"1-r0": ["CVE-2020-1"]} for n in range(50_000)},
        "openssl": {"1.1.1t-r0": ["CVE-2026-1000"]},
    }
    assert judged(lacking.run(*ASSESS))["grade"]["letter"] == "B"


@pytest.mark.parametrize("trouble", ["absent", "failing", "broken", "bomb", "about others"])
def test_severities_that_are_not_to_be_had(lacking: BentWorld, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix is lacking all the same: a bound at best."""
    publish = lacking.publish

    def bent() -> None:
        publish()
        if trouble == "absent":
            del lacking.feed.archives["Alpine"]
        lacking.feed.failing = trouble == "failing"
        if trouble == "broken":
            lacking.feed.archives["Alpine"] = b"PK\x03\x04 nothing"

    monkeypatch.setattr(lacking, "publish", bent)
    if trouble == "about others":
        lacking.flaws = [("CVE-2026-2", 10)]
    elif trouble == "bomb":
        lacking.flaws = [(f"CVE-2026-{n:05}", 10) for n in range(2000)]
    document = unknown(lacking.run(*ASSESS))
    assert document["grade"]["at_best"] != "A"
    assert [each["severity"] for each in document["errata"]] == [None]


def test_a_flaw_from_the_future(lacking: BentWorld) -> None:
    lacking.flaws = [("CVE-2026-1000", -3000)]
    document = judged(lacking.run(*ASSESS))
    assert document["grade"]["letter"] in (None, "B")
    assert document["grade"]["at_best"] != "A"


# ---- what is installed


BROKEN: dict[str, bytes] = {
    "no name": b"C:Q1=\nV:1-r0\nA:x86_64\n\n",
    "no version": b"C:Q1=\nP:musl\nA:x86_64\n\n",
    "a name twice": b"P:musl\nP:other\nV:1-r0\n\n",
    "an origin twice": b"P:musl\nV:1-r0\no:musl\no:other\n\n",
    "a size that is none": b"P:musl\nV:1-r0\nI:-1\n\n",
    "an escape for a name": b"P:\x1b[31m\nV:1-r0\n\n",
    "a space in a version": b"P:musl\nV:1 r0\n\n",
    "odd lines": b"P:musl\nnonsense\nV:1-r0\n\n",
    "text": b"nothing like it\n",
    "binary": bytes(range(256)),
    "not UTF-8 where it counts": b"P:m\xc2\x85l\nV:1-r0\n\n",
    "many": b"".join(b"P:p%d\nV:1-r0\n\n" % n for n in range(100_001)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_database_that_is_broken(updated: BentWorld, name: str) -> None:
    updated.files[INSTALLED] = BROKEN[name]
    sentence = refused(updated.run(*ASSESS), 5, INSTALLED)
    assert "\x1b" not in sentence


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n"])
def test_a_database_without_packages(updated: BentWorld, content: bytes) -> None:
    updated.files[INSTALLED] = content
    unknown(updated.run(*ASSESS), "no package was found")


LINKS = {
    "a loop": {INSTALLED: "../../../usr/lib/apk/db/installed", f"usr/{INSTALLED}": f"/{INSTALLED}"},
    "itself": {"lib/apk/db/installed": "installed"},
    "out of the image": {"lib/apk": "../../../../../../lib/apk"},
    "a device's name": {"lib/apk/db/installed": "/dev/zero"},
    "proc": {"lib/apk/db/installed": "/proc/self/environ"},
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_links_in_the_place_of_the_database(updated: BentWorld, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = updated.publish

    def linked() -> None:
        publish()
        members: dict[str, bytes | tarfile.TarInfo] = {path: each for path, each in updated.files.items() if each}
        members |= {path: link(path, target) for path, target in LINKS[name].items()}
        updated.registry.push("team/app", "1", layers=[tar_of(members)])

    monkeypatch.setattr(updated, "publish", linked)
    unknown(updated.run(*ASSESS), "no package was found")


@pytest.mark.parametrize("origin", ["harmless", "musl", "", " ", "\u202e", "../x", "openssl3", "x" * 9000])
def test_an_origin_that_lies(lacking: BentWorld, origin: str) -> None:
    """Fixes are about origins: with another it would seem that none is missing."""
    lacking.packages = [each.replace("o:openssl", f"o:{origin}") for each in lacking.packages]
    document = unknown(lacking.run(*ASSESS))
    assert "source" in {each["kind"] for each in document["deviations"]}
    assert "\u202e" not in lacking.run("assess").out


def test_versions_that_are_newer_than_all_that_is_published(updated: BentWorld) -> None:
    """So that nothing seems to be missing."""
    updated.packages = [re.sub("V:.*", "V:99-r0", each) for each in updated.packages]
    unknown(updated.run(*ASSESS), "packages are none that Alpine")


@pytest.mark.parametrize(
    "version", ["latest", "1-r", "\u0661", "-", "1_alpha_beta_pre_rcx", "1.1.1t-r0; true", "9" * 900 + "xy"]
)
def test_a_version_that_is_none(updated: BentWorld, version: str) -> None:
    """Whether it lacks the fix nobody can say, wherever in the order it would stand."""
    updated.packages = [re.sub("V:1.1.1t-r0", f"V:{version.replace(' ', '')}", each) for each in updated.packages]
    unknown(updated.run(*ASSESS), "what libcrypto1.1, libssl1.1 may lack could not be told: .* is no version")


CLAIMS: dict[str, bytes | None] = {
    "another release": b"ID=alpine\nVERSION_ID=3.19.1\n",
    "edge": b"ID=alpine\nVERSION_ID=3.20_alpha20240101\n",
    "wolfi": b"ID=wolfi\nVERSION_ID=20230201\n",
    "chainguard": b"ID=chainguard\nVERSION_ID=20230201\n",
    "debian": b"ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
    "almalinux": b"ID=almalinux\nVERSION_ID=9.4\n",
    "nobody": b"ID=nobody\nVERSION_ID=1\n",
    "climbing": b"ID=alpine\nVERSION_ID=../../../secret\n",
    "a path": b"ID=alpine\nVERSION_ID=3.16/../../secret\n",
    "nothing": b"",
    "binary": bytes(range(256)),
    "none": None,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_an_os_release_that_lies(updated: BentWorld, name: str) -> None:
    updated.files["etc/os-release"] = CLAIMS[name]
    document = unknown(updated.run(*ASSESS))
    assert document["grade"]["at_best"] != "A"
    assert not [path for path in updated.served.requests if "secret" in path]


def test_two_databases(updated: BentWorld) -> None:
    """At both paths: what either of them has counts."""
    updated.files["usr/lib/apk/db/installed"] = installed("libssl1.1", "1.1.1s-r0", "openssl").encode()
    document = judged(updated.run(*ASSESS))
    assert document["grade"]["letter"] == "B"
