"""Where images of rpm and their mirrors lead, through the command: nothing is asked that must not be, nothing hangs.

The network of every test fails it for a connection to anything but loopback, where public names are served.
"""

import hashlib
import re
from collections.abc import Iterator

import pytest

from affineur.http.client import Client
from support.archive import Key
from support.endings import judged, unassessed, unknown
from support.hostile_network import PUBLIC
from support.registry import Answer
from support.rpm_roots import Rpm
from support.rpm_stage import BentRepository, RpmStage, days_ago

ASSESS = ("assess", "--json")
NEVER = "never asked"
PRIVATE = "is on a private network, and was not named by you"
THIS_MACHINE = "is on this machine, and was not named by you"
NOT_HTTP = "is neither http nor https"
TRAPS = {
    "http://169.254.169.254/latest/": NEVER,
    "https://169.254.169.254/latest/": NEVER,
    "http://[fe80::1]/x/": NEVER,
    "http://[::ffff:169.254.169.254]/x/": NEVER,
    "http://100.100.100.200/x/": NEVER,
    "http://0.0.0.0/x/": NEVER,
    "http://metadata.example/x/": NEVER,
    "http://10.1.2.3/x/": PRIVATE,
    "https://192.168.1.1:8443/x/": PRIVATE,
    "http://[fd00::1]/x/": PRIVATE,
    "http://intranet.example/x/": PRIVATE,
    "http://127.0.0.1:PORT/x/": THIS_MACHINE,
    "http://[::1]:PORT/x/": THIS_MACHINE,
    "http://localhost:PORT/x/": THIS_MACHINE,
    "http://me:secret@10.1.2.3/x/": PRIVATE,
}
ODD = {
    "file:///etc/": NOT_HTTP,
    "file://169.254.169.254/x/": NOT_HTTP,
    "ftp://mirror.example/x/": NOT_HTTP,
    "FTP://mirror.example/x/": NOT_HTTP,
    "media:///x/": NOT_HTTP,
    "/etc/": NOT_HTTP,
    "javascript:alert(1)": NOT_HTTP,
    "http://[::1": "",
    "http://": "",
    "https:///x/": "",
    "http://mirror.example:99999/x/": "",
    "http://mirror.example:x/": "",
    "http://\u202emirror.example/": "",
    "http://mirror.example\\@10.1.2.3/": "",
    "http://mirror.example/%0d%0aHost:%20y/": "",
    "http://" + "a" * 300 + ".example/": "",
    "http://mirror.example/" + "x" * 20_000: "",
    "http://xn--\u0661.example/": "",
}
NAMES = {"metadata.example": "169.254.169.254", "intranet.example": "10.1.2.3", "localhost": "127.0.0.1"}


def each_in(urls: list[str]) -> list[tuple[str, str]]:
    """Every URL as baseurl, every third in a list's place."""
    return [("baseurl", url) for url in urls] + [
        (option, url) for option in ("mirrorlist", "metalink") for url in urls[::3]
    ]


@pytest.fixture
def public(rpm: RpmStage) -> RpmStage:
    """The image lies in a registry of the internet; it lacks nothing, and would be an A."""
    rpm.update()
    rpm.public = True
    rpm.network.names |= {name: [[address]] for name, address in NAMES.items()}
    rpm.network.names["mirror.example"] = [[PUBLIC]]
    return rpm


def mirror(stage: RpmStage, path: str = "x/") -> str:
    """A URL of a public host that is served here."""
    return f"http://mirror.example:{stage.places.port}/{path}"


def asked_inside(stage: RpmStage) -> list[str]:
    """What was asked for where the traps lead, on this machine."""
    return [path for path in stage.places.requests if path.startswith(("x/", "latest"))]


@pytest.mark.parametrize(("option", "url"), each_in(list(TRAPS)))
def test_a_repository_of_the_image(public: RpmStage, option: str, url: str) -> None:
    """The letter rests on the distribution's own; of the image's, it is said why it was not asked."""
    public.more = f"[trap]\n{option}={url.replace('PORT', str(public.places.port))}\ngpgcheck=1\n"
    done = public.run(*ASSESS)
    document = judged(done)
    assert document["grade"]["letter"] == "A"
    assert TRAPS[url] in unassessed(document)
    assert asked_inside(public) == []
    assert ":secret" not in done.out + done.err
    assert ("credentials" in {each["kind"] for each in document["deviations"]}) == ("secret" in url)


@pytest.mark.parametrize(("option", "url"), each_in(list(ODD)))
def test_a_repository_that_is_no_place(public: RpmStage, option: str, url: str) -> None:
    public.more = f"[trap]\n{option}={url}\ngpgcheck=1\n"
    document = judged(public.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert ODD[url] in unassessed(document)
    assert "trap" in unassessed(document)


@pytest.mark.parametrize("url", ["http://169.254.169.254/x/", "http://10.1.2.3/x/", "file:///x/", "http://[::1"])
def test_repositories_that_name_nothing_else(public: RpmStage, url: str) -> None:
    """In the place of the distribution's: they are looked for where they are, and their absence is a finding."""
    for each in public.repositories:
        each.publish(public.places, public.path(each.url))
    public.repositories = []
    public.more = "".join(f"[{name}]\nbaseurl={url}\n" for name in ("baseos", "appstream"))
    document = judged(public.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert [each["kind"] for each in document["deviations"]].count("missing-repository") == 2
    public.reached = []
    unknown(public.run(*ASSESS), "baseos", "appstream")


TARGETS = [
    "http://169.254.169.254/x/",
    "http://10.1.2.3/x/",
    "http://127.0.0.1:PORT/x/",
    "http://intranet.example/x/",
    "file:///etc/passwd",
    "ftp://mirror.example/x",
    "http://[::1",
]


@pytest.mark.parametrize(
    ("what", "target"),
    [(what, each) for what in ("repomd.xml", "primary.gz", "list") for each in TARGETS[:: 1 + (what != "list")]],
)
def test_a_redirect_of_a_mirror(public: RpmStage, what: str, target: str) -> None:
    target = target.replace("PORT", str(public.places.port))
    own = BentRepository("own", mirror(public, "own/"), [Rpm("httpd", "9-1", "x86_64")])
    own.publish(public.places, "own/")
    redirect = Answer(302, [("Location", target)])
    public.places.files["own/list"] = f"{mirror(public, 'own/')}\n".encode()
    public.places.files["own/list" if what == "list" else f"own/repodata/{what}"] = redirect
    public.more = f"[own]\nmirrorlist={mirror(public, 'own/list')}\n"
    document = judged(public.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert "repository own" in unassessed(document)
    assert document["updates"] == []
    assert asked_inside(public) == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/x", "http://[fe80::1]/x", "file:///etc/passwd"])
@pytest.mark.parametrize("what", ["repomd.xml", "primary.gz", "updateinfo.gz"])
def test_a_redirect_of_what_the_user_mapped(public: RpmStage, what: str, target: str) -> None:
    """From there, too, nothing leads to a metadata service; what is not read is no letter."""
    public.publish()
    path = f"{public.path(public.appstream.url)}repodata/{what}"
    public.places.files[path] = Answer(302, [("Location", target)])
    public.appstream.repomd = Answer(302, [("Location", target)]) if what == "repomd.xml" else None
    public.appstream.served[what.partition(".")[0]] = Answer(302, [("Location", target)])
    unknown(public.run(*ASSESS), "appstream")


def test_redirects_without_end(public: RpmStage) -> None:
    where = f"{public.places.url}/{public.path(public.appstream.url)}repodata/repomd.xml"
    public.appstream.repomd = Answer(302, [("Location", where)])
    unknown(public.run(*ASSESS), "appstream")
    assert len(public.places.requests) < 60


# ---- lists of mirrors


def metalink(*urls: str, digest: str = "", start: str = "") -> bytes:
    shown = "".join(f'<url protocol="http" preference="100">{url}repodata/repomd.xml</url>' for url in urls)
    hashed = f'<verification><hash type="sha256">{digest}</hash></verification>' if digest else ""
    return (
        f'<?xml version="1.0"?>{start}<metalink version="3.0" xmlns="http://www.metalinker.org/"><files>'
        f'<file name="repomd.xml">{hashed}<resources>{shown}</resources></file></files></metalink>'
    ).encode()


def through(stage: RpmStage, content: bytes | Answer, option: str = "metalink") -> None:
    """Have AppStream, as the image names it, be found by a list; the distribution's own place is not there."""
    stage.places.files["lists/x"] = content
    stage.reached.append("https://lists.example")
    stage.places.files["lists.example/x"] = content
    stage.appstream.options = {"baseurl": "", option: "https://lists.example/x"}


def gone(stage: RpmStage) -> None:
    """AppStream is nowhere."""
    stage.appstream.repomd = Answer(404)


@pytest.mark.parametrize("kind", ["metalink", "mirrorlist"])
def test_a_list_of_traps(public: RpmStage, kind: str) -> None:
    urls = [url.replace("PORT", str(public.places.port)) for url in TRAPS]
    content = metalink(*urls) if kind == "metalink" else "\n".join(urls).encode()
    through(public, content, kind)
    gone(public)
    document = unknown(public.run(*ASSESS), "appstream")
    assert "more mirrors were not tried" in unassessed(document)
    assert asked_inside(public) == []


LISTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no mirror is listed|no element found"),
    "a page": (b"<html><body>not found", "is 'html'|mismatched|repomd.xml|no element found|unclosed"),
    "text": (b"# no such repository\nfailure: unknown arch\n", "no list of mirrors|not well-formed"),
    "other schemes": (b"ftp://mirror.example/x/\nrsync://mirror.example/x/\n", "no list of mirrors|not well-formed"),
    "a document type": (metalink("http://mirror.example/x/", start="<!DOCTYPE m [<!ENTITY a 'b'>]>"), "document type"),
    "deep": (b"<a>" * 50_000, "inside each other|repomd.xml"),
    "not about it": (b'<metalink xmlns="http://www.metalinker.org/"/>', "says nothing of repomd.xml"),
    "thousands": (b"http://mirror.example/x/\n" * 6000, "more than 5000 mirrors|not well-formed"),
    "megabytes": (b"#" * (5 << 20), "4194304"),
    "binary": (bytes(range(256)) * 9, "no list of mirrors|not well-formed"),
    "odd places": (b"http://[::1\nhttp://\nhttp://mirror.example:99999/\nhttps://user@:/\n", ""),
}


@pytest.mark.parametrize("kind", ["metalink", "mirrorlist"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_none(public: RpmStage, name: str, kind: str) -> None:
    content, why = LISTS[name]
    through(public, content, kind)
    gone(public)
    document = unknown(public.run(*ASSESS), "appstream")
    assert re.search(why, unassessed(document)), unassessed(document)


def test_a_list_that_is_none_where_the_repository_is_known_otherwise(public: RpmStage) -> None:
    """The letter rests on the distribution's own place."""
    through(public, b"<html/>")
    document = judged(public.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert "says nothing of repomd.xml" in unassessed(document)


def test_a_metalink_whose_digest_does_not_match(public: RpmStage) -> None:
    """What the mirror has is another state than any that is named: nothing of it is taken."""
    own = BentRepository("appstream", mirror(public, "own/"), public.appstream.packages, public.appstream.notices)
    own.publish(public.places, "own/")
    through(public, metalink(own.url, digest="0" * 64))
    gone(public)
    assert "any that the metalink names" in unassessed(unknown(public.run(*ASSESS), "appstream"))


def test_a_metalink_of_nobody_vouches_for_nothing(public: RpmStage) -> None:
    """Its digest is right; but who says it is no host of the distribution."""
    own = BentRepository("appstream", mirror(public, "own/"), public.appstream.packages, public.appstream.notices)
    own.publish(public.places, "own/")
    right = public.places.files["own/repodata/repomd.xml"]
    assert isinstance(right, bytes)
    through(public, metalink(own.url, digest=hashlib.sha256(right).hexdigest()))
    gone(public)
    document = unknown(public.run(*ASSESS), "appstream")
    assert "none of the distribution's own places" in unassessed(document)


# ---- servers

ANSWERS = [Answer(404), Answer(403), Answer(401), Answer(500), Answer(503), Answer(429), Answer(204), Answer(200)]


@pytest.mark.parametrize(
    ("what", "answer"),
    [("repomd", each) for each in ANSWERS]
    + [(what, each) for what in ("primary", "updateinfo") for each in ANSWERS[::3]],
)
def test_a_server_that_has_nothing(public: RpmStage, what: str, answer: Answer) -> None:
    if what == "repomd":
        public.appstream.repomd = answer
    else:
        public.appstream.served[what] = answer
    unknown(public.run(*ASSESS), "appstream")
    assert len(public.places.requests) < 80


def test_a_server_that_has_nothing_at_all(public: RpmStage) -> None:
    for each in public.repositories:
        each.repomd = Answer(500)
    unknown(public.run(*ASSESS), "baseos .* was not found|baseos", "appstream")
    assert public.run("updates", publish=False).code == 4


@pytest.mark.parametrize("wait", ["100000", "-1", "x", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_server_that_wants_us_to_wait(public: RpmStage, wait: str) -> None:
    public.appstream.repomd = Answer(503, [("Retry-After", wait)])
    unknown(public.run(*ASSESS), "appstream")


@pytest.mark.parametrize("what", ["repomd", "primary", "updateinfo"])
def test_a_body_that_ends_too_early(public: RpmStage, what: str) -> None:
    early = Answer(body=b"\x1f\x8b", length=5000)
    if what == "repomd":
        public.appstream.repomd = early
    else:
        public.appstream.served[what] = early
    unknown(public.run(*ASSESS), "appstream")


def nothing_more() -> Iterator[bytes]:
    import time

    yield b"<"
    time.sleep(1.5)


@pytest.mark.parametrize("what", ["repomd", "primary", "updateinfo"])
def test_a_server_that_falls_silent(public: RpmStage, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    defaults = {**(Client.__init__.__kwdefaults__ or {}), "read_s": 0.3, "attempts": 2}
    monkeypatch.setattr(Client.__init__, "__kwdefaults__", defaults)
    silent = Answer(body=nothing_more(), length=5000)
    if what == "repomd":
        public.appstream.repomd = silent
    else:
        public.appstream.served[what] = silent
    unknown(public.run(*ASSESS), "appstream")


@pytest.mark.parametrize("what", ["primary", "updateinfo"])
def test_a_file_without_end(public: RpmStage, what: str) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"\0" * 65536

    public.appstream.served[what] = Answer(body=endless())
    unknown(public.run(*ASSESS), "appstream")
    assert public.places.sent < 64 << 20


def test_a_mirror_frozen_in_time(public: RpmStage) -> None:
    """Its image lacks nothing, of what there was then."""
    for each in public.repositories:
        each.made = days_ago(100)
    unknown(public.run(*ASSESS), "stale, older than 45 days")


def test_a_mirror_without_time(public: RpmStage) -> None:
    for kind in ("primary", "updateinfo"):
        public.appstream.entries[kind] = {"timestamp": "never"}
    unknown(public.run(*ASSESS), "its age is unknown")


def test_a_repository_that_is_not_there(public: RpmStage) -> None:
    """Named, whichever it is."""
    public.baseos.repomd = Answer(404)
    document = unknown(public.run(*ASSESS), "^baseos is not a base for a letter")
    assert "reference repository baseos" in unassessed(document)


def test_plain_http_to_a_mirror(public: RpmStage) -> None:
    """Updates are listed; what the mirror says is nobody's word."""
    fixed = Rpm("httpd", "2.4.57-9.el9", "x86_64")
    own = BentRepository("appstream", mirror(public, "own/"), [fixed], public.appstream.notices)
    own.publish(public.places, "own/")
    gone(public)
    public.appstream.publish(public.places, public.path(public.appstream.url))
    public.repositories = [public.baseos, own]
    document = unknown(public.run(*ASSESS), "appstream of almalinux was not found")
    assert [each["available"] for each in document["updates"]] == ["2.4.57-9.el9"]
    assert "plain-http" in {each["kind"] for each in document["deviations"]}
    assert "none of the distribution's own places" in unassessed(document)


def test_a_mirror_with_a_key_of_its_own(public: RpmStage) -> None:
    """The image brings the mirror and the key: a finding, and no letter."""
    key = Key("Not AlmaLinux <packager@almalinux.org>")
    own = BentRepository("appstream", mirror(public, "own/"), [public.fixed], public.appstream.notices)
    own.options = {"gpgkey": "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9", "repo_gpgcheck": "1"}
    public.files["etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9"] = key.armored.encode()
    own.publish(public.places, "own/")
    repomd = public.places.files["own/repodata/repomd.xml"]
    assert isinstance(repomd, bytes)
    public.places.files["own/repodata/repomd.xml.asc"] = key.detach(repomd)
    gone(public)
    public.appstream.publish(public.places, public.path(public.appstream.url))
    public.repositories = [public.baseos, own]
    document = unknown(public.run(*ASSESS), f"signed by {key.fingerprint}, no key of the distribution")
    assert "unknown-key" in {each["kind"] for each in document["deviations"]}


SIGNATURES = [b"", b"nonsense", b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n", bytes(999)]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_that_is_none(public: RpmStage, signature: bytes) -> None:
    """The image asks for one, so that dnf would take nothing; the letter rests on the distribution's own host."""
    public.appstream.options = {"repo_gpgcheck": "1", "gpgkey": "file:///etc/passwd http://169.254.169.254/key ../../x"}
    public.places.files[f"{public.path(public.appstream.url)}repodata/repomd.xml.asc"] = signature
    public.appstream.packages.append(Rpm("httpd", "2.4.57-9.el9", "x86_64"))
    document = judged(public.run(*ASSESS))
    assert document["updates"] == []
    assert "repo_gpgcheck has it refused" in unassessed(document)
    assert "only keys in the image count" in unassessed(document)
