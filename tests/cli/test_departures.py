"""Images that depart from their distribution by themselves: own keys, trust, suites, logins, packages."""

from support.bending import IN_RELEASE, SECURITY, judge_unknown, publish, push_again
from support.endings import ASSESS, judged, unassessed, unknown
from support.world import HOST, World, installed


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
