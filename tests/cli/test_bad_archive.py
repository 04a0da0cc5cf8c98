"""Archives that misbehave, through the command line: what cannot be believed never makes a letter.

Each trick is played twice: on an image that lacks a Critical erratum, which the trick would hide; and on one that lacks
nothing, of which nobody could tell any more. Neither may end with an A, or be accepted.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from support.archive import GnupgKey, Key, cleartext
from support.bending import IN_RELEASE, SECURITY, judge_unknown, publish, push_again
from support.endings import ASSESS, judged, unassessed, unknown
from support.leaving_out import leave_out
from support.world import KEYRING, World


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
