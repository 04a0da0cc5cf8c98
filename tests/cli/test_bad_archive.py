"""Archives that misbehave, through the command line: what cannot be believed never makes a letter.

Each trick is played twice: on an image that lacks a Critical erratum, which the trick would hide; and on one that lacks
nothing, of which nobody could tell any more. Neither may end with an A, or be accepted.
"""

import gzip
import hashlib
import lzma
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.archive import GnupgKey, Key, cleartext, stanza
from support.endings import ASSESS, judged, unassessed, unknown
from support.leaving_out import leave_out
from support.world import HOST, KEYRING, World, installed

SECURITY = "debian/dists/bookworm-security/"
IN_RELEASE = f"{SECURITY}InRelease"
INDEX = f"{SECURITY}main/binary-amd64/"


@pytest.fixture(params=["lacks", "lacks nothing"])
def either(request: pytest.FixtureRequest, world: World) -> World:
    """The world, published, with an image that lacks the erratum or lacks nothing."""
    if request.param == "lacks nothing":
        world.update()
    world.publish()
    return world


@pytest.fixture
def keys() -> Iterator[Callable[..., GnupgKey]]:
    """Makes odd keys."""
    made: list[GnupgKey] = []

    def make(**odd: str) -> GnupgKey:
        try:
            made.append(GnupgKey(**odd))
        except FileNotFoundError:
            leave_out("needs gpg")
        return made[-1]

    yield make
    for key in made:
        key.close()


def judge_unknown(world: World, *because: str) -> dict[str, Any]:
    """Run it on what is published now, and see that the letter is unknown for these reasons."""
    return unknown(world.run(*ASSESS, publish=False), *because)


def publish(world: World, name: str = "bookworm-security", **changes: object) -> None:
    """Publish one suite again with other arguments."""
    stanzas, fields = world.suites[name]
    world.archive.suite(name, {"main": stanzas}, below="debian/", **{**fields, **changes})


def replace_index(world: World, body: bytes) -> None:
    """Serve other bytes than the Release lists, by whatever name the index is asked for."""
    for path in world.archive.files:
        if path.startswith(INDEX):
            world.archive.files[path] = body


def test_release_with_a_detached_signature_is_as_good(world: World) -> None:
    world.publish()
    publish(world, inline=False)
    assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == "E"


def test_a_changed_byte_in_the_signed_text(either: World) -> None:
    files = either.archive.files
    files[IN_RELEASE] = files[IN_RELEASE].replace(b"Components: main", b"Components: mine")
    judge_unknown(either, "bookworm-security.*no signature holds")


def test_no_signature_at_all(either: World) -> None:
    publish(either, signers=())
    judge_unknown(either, "bookworm-security.*not signed")


def test_a_signature_of_another_text(either: World) -> None:
    publish(either, inline=False)
    files = either.archive.files
    files[f"{SECURITY}Release.gpg"] = either.archive.key.detach(b"Origin: Debian\n")
    judge_unknown(either, "bookworm-security.*no signature holds")


def test_a_signature_by_a_key_that_nobody_pinned(either: World) -> None:
    stranger = Key()
    either.files[KEYRING] = (either.archive.key.armored + stranger.armored).encode()
    publish(either, signers=(stranger,))
    judge_unknown(either, "bookworm-security")


def test_a_pinned_key_beside_a_strange_one_is_enough(world: World) -> None:
    world.publish()
    publish(world, signers=(Key(), world.archive.key))
    assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == "E"


@pytest.mark.system
@pytest.mark.parametrize(
    ("odd", "because"),
    [
        ({"algorithm": "rsa1024"}, "weak"),
        ({"algorithm": "rsa2048", "digest": "SHA1"}, "weak"),
        ({"algorithm": "dsa1024", "digest": "SHA1"}, "weak"),
        ({"made": "20230101T000000", "life": "seconds=86400"}, "expired"),
    ],
    ids=["rsa1024", "sha1", "dsa1024", "expired"],
)
def test_a_pinned_key_that_is_weak_or_expired(
    world: World, keys: Callable[..., GnupgKey], odd: dict[str, str], because: str
) -> None:
    key = keys(**odd)
    world.reference = world.reference.replace(world.archive.key.fingerprint, key.fingerprint)
    world.files[KEYRING] = key.certificate
    world.update()
    for _, fields in world.suites.values():
        fields["signers"] = (key,)
    document = unknown(world.run(*ASSESS), "bookworm")
    assert because in unassessed(document)


@pytest.mark.parametrize("where", ["before", "after", "header", "second message"])
def test_text_outside_the_signed_part(either: World, where: str) -> None:
    signed = either.archive.files[IN_RELEASE]
    unsigned = b"Origin: Debian\nSuite: oldstable-security\n"
    either.archive.files[IN_RELEASE] = {
        "before": unsigned + b"\n" + signed,
        "after": signed + b"\n" + unsigned,
        "header": signed.replace(b"SIGNED MESSAGE-----\n", b"SIGNED MESSAGE-----\n" + unsigned),
        "second message": signed + cleartext(unsigned, [either.archive.key]),
    }[where]
    judge_unknown(either, "bookworm-security.*(outside the signed part|more than one signed message)")


def test_past_its_valid_until(either: World) -> None:
    publish(either, date=datetime.now(UTC) - timedelta(days=9), valid_until=datetime.now(UTC) - timedelta(minutes=1))
    judge_unknown(either, "bookworm-security.*expired: it was valid until")


@pytest.mark.parametrize("switch", ["entry", "apt.conf"])
def test_an_image_that_does_not_check_valid_until(either: World, switch: str) -> None:
    """apt inside would go on with it, so its updates are told; but no letter rests on it."""
    publish(either, date=datetime.now(UTC) - timedelta(days=9), valid_until=datetime.now(UTC) - timedelta(minutes=1))
    if switch == "entry":
        sources = either.files["etc/apt/sources.list"] or b""
        either.files["etc/apt/sources.list"] = sources.replace(b"[", b"[check-valid-until=no ")
    else:
        either.files["etc/apt/apt.conf.d/99-late"] = b'Acquire::Check-Valid-Until "false";\n'
    push_again(either)
    document = judge_unknown(either, "bookworm-security.*expired")
    assert "valid-until" in {each["kind"] for each in document["deviations"]}


def push_again(world: World) -> None:
    """The image, with what was changed in it since it was published."""
    world.registry.push("team/app", "1", layers=[world.layer()])


def test_dated_in_the_future(either: World) -> None:
    publish(either, date=datetime.now(UTC) + timedelta(days=3))
    judge_unknown(either, "bookworm-security.*in the future")


def test_a_rollback_is_noticed_in_the_second_run(either: World) -> None:
    publish(either, date=datetime.now(UTC) - timedelta(hours=2))
    assert judged(either.run(*ASSESS, publish=False))["grade"]["letter"] is not None
    publish(either, date=datetime.now(UTC) - timedelta(days=2))
    judge_unknown(either, "bookworm-security.*(older|rollback)")
    publish(either, date=datetime.now(UTC) - timedelta(hours=1))
    assert judged(either.run(*ASSESS, publish=False))["grade"]["letter"] is not None


@pytest.mark.parametrize(("days", "stale"), [(149, False), (151, True)])
def test_a_suite_without_valid_until_grows_stale(either: World, days: int, stale: bool) -> None:
    """The configuration allows 150 days."""
    publish(either, "bookworm", date=datetime.now(UTC) - timedelta(days=days))
    if stale:
        judge_unknown(either, "bookworm .*stale, older than 150 days")
    else:
        assert judged(either.run(*ASSESS, publish=False))["grade"]["letter"] is not None


def test_another_suite_of_the_same_key_in_its_place(either: World) -> None:
    """A mix-up that every signature survives: an empty suite served as the security suite."""
    either.archive.files[IN_RELEASE] = either.archive.files["debian/dists/bookworm-updates/InRelease"]
    judge_unknown(either, "Codename is bookworm-updates, not bookworm-security")


def test_the_same_suite_of_another_release(either: World) -> None:
    publish(either, codename="bullseye-security", suite="oldoldstable-security")
    judge_unknown(either, "Codename is bullseye-security, not bookworm-security")


def test_an_index_that_is_other_bytes_than_listed(either: World) -> None:
    replace_index(either, lzma.compress(b"\n".join(stanza("openssl", "3.0.11-1~deb12u1").encode() for _ in range(2))))
    judge_unknown(either, "bookworm-security.*bytes were promised|content is sha256")


def test_an_index_of_the_right_size_but_other_content(either: World) -> None:
    files = either.archive.files
    for path in [path for path in files if path.startswith(INDEX)]:
        files[path] = bytes([files[path][0] ^ 1]) + files[path][1:]
    judge_unknown(either, "content is sha256:.*not the promised")


def test_an_index_that_is_cut_short(either: World) -> None:
    files = either.archive.files
    for path in [path for path in files if path.startswith(INDEX)]:
        files[path] = files[path][:-20]
    judge_unknown(either, "bytes were promised")


def test_an_index_that_is_missing(either: World) -> None:
    for path in [path for path in either.archive.files if path.startswith(INDEX)]:
        del either.archive.files[path]
    judge_unknown(either, "main/binary-amd64/Packages: the Release lists it, and the server does not have it")


def signed_index(world: World, body: bytes, ending: str = ".gz") -> None:
    """Sign a Release that lists this very file as the security suite's only index."""
    text = (
        "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\n"
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} UTC\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {hashlib.sha256(body).hexdigest()} {len(body)} main/binary-amd64/Packages{ending}\n"
    )
    world.archive.sign(SECURITY, text.encode(), (world.archive.key,))
    world.archive.files[f"{INDEX}Packages{ending}"] = body


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (b"no gzip at all, but listed as one", "field|no "),
        (gzip.compress(b"Package: openssl\nVersion: 3.0.15-1~deb12u1\nArchitecture: amd64\n")[:-12], "ends too early"),
        (gzip.compress(b"Package: openssl\nArchitecture: amd64\n"), "openssl has no Version"),
        (gzip.compress(b"Package: openssl\nVersion: 1\nSize: many\n"), "openssl has the size 'many'"),
        (gzip.compress(b"Package: openssl\nVersion 1\n"), "is no field"),
        (gzip.compress(b"Package: x\nDescription: " + b"x" * (3 << 20)), "a stanza of more than 2097152 bytes"),
        (gzip.compress(b"\n" * (1 << 20)) * 800, "become more than"),
        (gzip.compress(b"Package: openssl\n\n" * 2_000_000), "no Version|more than 1000000 stanzas"),
        (gzip.compress(b"Package: x\n\n" * 2_000_000), "more than 1000000 stanzas"),
    ],
    ids=[
        "not gzip",
        "cut short",
        "no version",
        "no number",
        "no field",
        "one long line",
        "bomb",
        "many",
        "many others",
    ],
)
def test_an_index_that_is_signed_and_broken(either: World, body: bytes, because: str) -> None:
    signed_index(either, body)
    judge_unknown(either, because)


def test_an_index_that_only_an_unknown_compression_holds(either: World) -> None:
    signed_index(either, b"\x28\xb5\x2f\xfd", ".zst")
    judge_unknown(either, "only as .zst, which are not read here")


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"components": "contrib"}, "no component main"),
        ({"architectures": "arm64"}, "does not support amd64"),
        ({"date": None}, "no Date|age is unknown"),
    ],
)
def test_a_release_that_leaves_something_out(either: World, changes: dict[str, object], because: str) -> None:
    if "architectures" in changes:
        publish(either, architectures=("arm64",))
    elif "components" in changes:
        either.reference = either.reference.replace("keys = ", 'components = ["main"]\nkeys = ')
        stanzas, fields = either.suites["bookworm-security"]
        either.archive.suite("bookworm-security", {"contrib": stanzas}, below="debian/", **fields)
    else:
        resign_without_date(either)
    judge_unknown(either, because)


def resign_without_date(world: World) -> None:
    stanzas, fields = world.suites["bookworm-security"]
    text = world.archive.suite("bookworm-security", {"main": stanzas}, below="debian/", **fields)
    kept = b"\n".join(line for line in text.split(b"\n") if not line.startswith((b"Date:", b"Valid-Until:")))
    world.archive.sign(SECURITY, kept, (world.archive.key,))


@pytest.mark.parametrize(
    "line",
    [
        b"SHA256:\n 00 12 ../../../etc/passwd",
        b"SHA256:\n " + b"0" * 64 + b" 12 ../../../etc/passwd",
        b"SHA256:\n " + b"0" * 64 + b" 9999999999999999999 main/binary-amd64/Packages",
        b"Valid-Until: some day",
        b"no field",
        b"\xff\xfe: \xff",
    ],
)
def test_a_release_that_is_signed_and_broken(either: World, line: bytes) -> None:
    stanzas, fields = either.suites["bookworm-security"]
    text = either.archive.suite("bookworm-security", {"main": stanzas}, below="debian/", **fields)
    either.archive.sign(SECURITY, line + b"\n" + text + line + b"\n", (either.archive.key,))
    done = either.run(*ASSESS, publish=False)
    if line.startswith(b"\xff"):  # a field that nobody knows
        assert judged(done)["grade"]["letter"] is not None
    else:
        unknown(done, "bookworm-security.*Release")


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_an_answer_that_is_none(either: World, status: int) -> None:
    for name in ("InRelease", "Release"):
        either.archive.statuses[SECURITY + name] = status
    judge_unknown(either, f"bookworm-security.*HTTP {status}")


def test_no_archive_at_all(either: World) -> None:
    either.archive.close()
    judge_unknown(either, "bookworm is not a base.*no connection", "bookworm-updates", "bookworm-security")
    done = either.run("updates", publish=False)
    assert done.code == 4
    assert "no connection" in done.out


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data/", "http://10.1.2.3/x", "file:///etc/passwd", "ftp://a/b", "http://[::1"],
)
def test_a_redirect_to_where_nobody_may_go(either: World, target: str) -> None:
    either.archive.redirects[IN_RELEASE] = target
    document = judge_unknown(either, "bookworm-security")
    assert (
        "not asked" in unassessed(document)
        or "never asked" in unassessed(document)
        or "no usable" in unassessed(document)
    )


def test_a_redirect_in_a_circle(either: World) -> None:
    either.archive.redirects[IN_RELEASE] = "Release"
    either.archive.redirects[f"{SECURITY}Release"] = "InRelease"
    judge_unknown(either, "redirected in a circle")


def test_a_redirect_within_the_archive_is_followed(world: World) -> None:
    world.publish()
    world.archive.files["debian/elsewhere"] = world.archive.files[IN_RELEASE]
    world.archive.redirects[IN_RELEASE] = "/debian/elsewhere"
    assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == "E"


def test_an_image_with_a_key_of_its_own(either: World) -> None:
    """Its own archive says that there is nothing new, and its own key signs that."""
    either.reference = either.reference.replace(either.archive.key.fingerprint, "A" * 40)
    document = judge_unknown(either, "bookworm", "none of the keys that sign it is at hand")
    kinds = {each["kind"] for each in document["deviations"]}
    assert "unknown-key" in kinds
    listed = either.run("updates", "--list", publish=False)
    assert ("openssl/oldstable-security" in listed.out) is bool(document["updates"])


def test_an_image_that_trusts_whatever_comes(either: World) -> None:
    """trusted=yes has apt take an unsigned suite, and so its updates are told; no letter rests on that."""
    sources = either.files["etc/apt/sources.list"] or b""
    either.files["etc/apt/sources.list"] = sources.replace(b"[signed-by", b"[trusted=yes signed-by")
    push_again(either)
    for name in either.suites:
        publish(either, name, signers=())
    document = judge_unknown(either, "bookworm.*not signed")
    kinds = [each["kind"] for each in document["deviations"]]
    assert kinds.count("trusted") == 3


def test_trusted_yes_changes_nothing_where_the_signature_holds(world: World) -> None:
    sources = world.files["etc/apt/sources.list"] or b""
    world.files["etc/apt/sources.list"] = sources.replace(b"[signed-by", b"[trusted=yes signed-by")
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert [each["kind"] for each in document["deviations"]] == ["trusted"] * 3


def leave_security_out(world: World) -> None:
    lines = (world.files["etc/apt/sources.list"] or b"").splitlines(keepends=True)
    world.files["etc/apt/sources.list"] = b"".join(line for line in lines if b"bookworm-security" not in line)


def test_a_security_suite_left_out_is_found_beside(world: World) -> None:
    leave_security_out(world)
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert document["updates"] == []
    assert ("missing-suite", "its sources do not name bookworm-security") in [
        (each["kind"], each["what"]) for each in document["deviations"]
    ]


def test_a_security_suite_left_out_and_not_to_be_found(either: World) -> None:
    leave_security_out(either)
    push_again(either)
    for path in [path for path in either.archive.files if path.startswith(SECURITY)]:
        del either.archive.files[path]
    document = judge_unknown(either, "bookworm-security of debian was not found")
    assert [each["kind"] for each in document["deviations"]] == ["missing-suite"]


def test_a_suite_that_is_named_and_broken_is_not_called_missing(either: World) -> None:
    either.archive.files[IN_RELEASE] = b"nothing"
    document = judge_unknown(either, "bookworm-security")
    assert document["deviations"] == []


def test_no_sources_at_all(updated: World) -> None:
    updated.files["etc/apt/sources.list"] = None
    document = unknown(updated.run(*ASSESS), "bookworm-security: none of the keys that sign it is at hand")
    assert document["updates"] == []
    assert updated.run("updates", publish=False).code == 3


def test_no_reference_suites_are_known(updated: World) -> None:
    """Without pinned keys of ours, the world's key is no key of Debian."""
    updated.reference = ""
    unknown(updated.run(*ASSESS), "bookworm of debian was not found", "bookworm-security of debian was not found")


def test_credentials_in_the_sources_are_never_sent_nor_shown(world: World) -> None:
    sources = world.files["etc/apt/sources.list"] or b""
    world.files["etc/apt/sources.list"] = sources.replace(b"http://", b"http://somebody:pa55word@")
    done = world.run(*ASSESS)
    document = judged(done)
    assert "credentials" in {each["kind"] for each in document["deviations"]}
    assert "never sent" in unassessed(document)
    text = world.run("assess", publish=False)
    for shown in (done.out, done.err, text.out, text.err):
        assert "pa55word" not in shown
    assert not [headers for headers in world.archive.seen_headers if "Authorization" in headers]
    assert not [path for path in world.archive.requests if "pa55word" in path]


def test_logins_in_the_image_are_never_sent(world: World) -> None:
    """apt_auth.conf(5)."""
    world.files["etc/apt/auth.conf"] = b"machine archive.example login somebody password pa55word\n"
    world.files["etc/apt/auth.conf.d/x.conf"] = b"machine archive.example login somebody password pa55word\n"
    done = world.run(*ASSESS)
    assert judged(done)["grade"]["letter"] == "E"
    assert "pa55word" not in done.out
    assert not [headers for headers in world.archive.seen_headers if "Authorization" in headers]


def test_a_proxy_in_the_image_is_not_used(world: World) -> None:
    world.files["etc/apt/apt.conf.d/proxy"] = f'Acquire::http::Proxy "{world.feed.url}/proxy";\n'.encode()
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"
    assert all(path.startswith("/Debian") for path, _, _ in world.feed.requests)


def test_packages_that_nobody_publishes(updated: World) -> None:
    updated.status.append(installed("vendor-agent", "1.0"))
    document = judged(updated.run(*ASSESS))
    assert document["grade"]["letter"] == "A"  # of what the distribution publishes; the rest is said beside it
    assert "1 package of other origin" in unassessed(document)
    assert "vendor-agent" in unassessed(document)


def test_packages_newer_than_anything_published(updated: World) -> None:
    """A rebuild of one's own keeps the name: nobody's errata are about its version."""
    updated.status = [each.replace("3.0.15-1~deb12u1", "9:1.0-1vendor1") for each in updated.status]
    document = judged(updated.run(*ASSESS))
    assert "openssl" in unassessed(document)
    assert "libssl3" in unassessed(document)


def test_two_archives_that_disagree(either: World) -> None:
    """A second, older mirror of the same suites does not take anything away from what the first one says."""
    sources = either.files["etc/apt/sources.list"] or b""
    either.files["etc/apt/sources.list"] = sources.replace(HOST.encode(), b"http://stale.example") + sources
    push_again(either)
    document = judged(either.run(*ASSESS, publish=False))
    assert document["grade"]["letter"] in ("E", "A")
    assert "stale.example" in unassessed(document)


def test_what_does_not_answer_is_asked_once(updated: World) -> None:
    """The image's own sources and the reference lead to the same place."""
    updated.publish()
    for name in ("InRelease", "Release"):
        updated.archive.statuses[SECURITY + name] = 500
    judge_unknown(updated, "HTTP 500")
    assert updated.archive.count("bookworm-security/InRelease") == 4  # the client's attempts


def test_sources_that_take_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image may name thousands of places that answer slowly; what it lacks is told all the same."""
    monkeypatch.setattr("affineur.repositories.apt.fetch.OWN_S", 0.0)
    document = judged(world.run_inside(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert document["updates"] == []
    assert unassessed(document).count("not asked: those before it took 0 s") == 3
    assert world.run_inside("updates", publish=False).code == 4
