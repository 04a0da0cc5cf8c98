"""An image of apk, from its registry to the exit code: offers, fixes, letters and bounds, and what hides them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apk import Key
from support.apk_world import HOST, ApkWorld, built, installed, names


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ApkWorld]:
    with ApkWorld(tmp_path) as made:
        yield made


def test_a_letter(world: ApkWorld) -> None:
    """CVSS 7.5 (Important), known for 10 days, in a build of 20 days ago: B until 31 days have passed."""
    done = world.run("assess", "--json")
    document = done.document
    assert document["grade"]["letter"] == "B", document["verdict"]
    assert names(document["errata"], "id", "severity", "cves") == [
        ("secdb:openssl/1.1.1t-r0", "important", ["CVE-2026-1000"])
    ]
    assert document["errata"][0]["issued"] is not None
    assert document["errata"][0]["packages"] == ["libcrypto1.1", "libssl1.1"]
    assert document["rebuild_grade"] == "A"
    assert names(document["suites"], "suite", "role", "verified", "fresh") == [
        ("v3.16/main", "both", True, True),
        ("v3.16/community", "both", True, True),
    ]


def test_updates_as_apk_would_list_them(world: ApkWorld) -> None:
    document = world.run("updates", "--json").document
    assert names(document["updates"], "name", "installed", "available", "security", "errata", "manager") == [
        ("libssl1.1", "1.1.1s-r0", "1.1.1t-r0", True, ["secdb:openssl/1.1.1t-r0"], "apk"),
        ("libcrypto1.1", "1.1.1s-r0", "1.1.1t-r0", True, ["secdb:openssl/1.1.1t-r0"], "apk"),
        ("tree", "2.0.2-r0", "2.0.2-r1", False, [], "apk"),
    ]
    assert document["updates"][0]["suites"] == [f"{HOST}/v3.16/main"]
    listed = world.run("updates", "--list").out
    assert "libssl1.1" in listed
    assert "1.1.1t-r0" in listed


def test_cves(world: ApkWorld) -> None:
    document = world.run("cves", "--json").document
    assert names(document["cves"], "id", "package", "installed", "fixed", "severity") == [
        ("CVE-2026-1000", "openssl", "1.1.1s-r0", "1.1.1t-r0", "important")
    ]


def test_nothing_lacking_is_an_a(world: ApkWorld) -> None:
    world.packages = [each.replace("1.1.1s-r0", "1.1.1t-r0") for each in world.packages]
    done = world.run("assess", "--json")
    assert (done.document["grade"]["letter"], done.document["errata"]) == ("A", [])


def test_a_fix_of_unknown_date_is_a_bound(world: ApkWorld) -> None:
    """The flaw was known long before the build that has the fix: it came out between."""
    world.flaws = [("CVE-2026-1000", 400)]
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] is None
    assert document["grade"]["at_best"] == "B"
    assert document["errata"][0]["issued"] is None
    assert document["errata"][0]["issued_at_latest"] is not None


@pytest.mark.parametrize("name", ["main.json", "community.json"])
def test_an_unread_database_is_no_letter(world: ApkWorld, name: str) -> None:
    world.databases = {name: None}
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] is None
    assert any(name in each["what"] + each["why"] for each in document["unassessed"])


def test_unread_severities_are_no_letter(world: ApkWorld) -> None:
    world.flaws = []
    assert world.run("assess", "--json").document["grade"]["letter"] is None


def test_an_index_that_is_long_unchanged_is_no_letter(world: ApkWorld) -> None:
    world.main = world.main[:-1]
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] is None
    assert document["suites"][0]["fresh"] is None
    assert len(document["updates"]) == 3  # computed, and marked


def test_an_index_signed_by_another_key_is_no_letter(world: ApkWorld) -> None:
    """The image trusts it; the distribution's key has not signed it."""
    other = Key(2)
    world.files[f"etc/apk/keys/{other.name}"] = other.pem
    world.served.key, pinned = other, world.served.key
    document = world.run("assess", "--json").document
    assert pinned.name != other.name
    assert document["grade"]["letter"] is None
    assert len(document["updates"]) == 3


def test_an_index_that_the_image_does_not_trust_offers_nothing(world: ApkWorld) -> None:
    del world.files[f"etc/apk/keys/{world.served.key.name}"]
    document = world.run("updates", "--json").document
    assert document["updates"] == []
    assert any("none of the keys that count" in each["why"] for each in document["unassessed"])


def test_a_pin_is_a_finding_and_does_not_help(world: ApkWorld) -> None:
    world.files["etc/apk/world"] = b"alpine-base\nlibssl1.1=1.1.1s-r0\n"
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] == "B"
    assert ("pin", "/etc/apk/world: libssl1.1=1.1.1s-r0") in names(document["deviations"], "kind", "where")
    held = {each["name"]: each["held"] for each in document["updates"]}
    assert held == {"libssl1.1": True, "libcrypto1.1": False, "tree": False}


def test_a_repository_left_out_is_a_finding_and_is_read_all_the_same(world: ApkWorld) -> None:
    world.files["etc/apk/repositories"] = f"{HOST}/v3.16/community\n".encode()
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] == "B"
    assert "missing-suite" in [kind for (kind,) in names(document["deviations"], "kind")]
    assert names(document["updates"], "name") == [("tree",)]


def test_an_origin_that_the_distribution_does_not_know_is_no_letter(world: ApkWorld) -> None:
    world.packages = [each.replace("o:openssl", "o:harmless") for each in world.packages]
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] is None
    assert "source" in [kind for (kind,) in names(document["deviations"], "kind")]


def test_another_release_than_it_says_is_no_letter(world: ApkWorld) -> None:
    world.packages[0] = installed("alpine-base", "3.10.9-r0")
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] is None
    assert "os-release" in [kind for (kind,) in names(document["deviations"], "kind")]


def test_a_package_of_nobodys_is_said(world: ApkWorld) -> None:
    world.packages.append(installed("homemade", "1-r0"))
    world.packages.append(installed(".build-deps", "20260101.000000"))
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] == "B"
    assert any("homemade" in each["why"] for each in document["unassessed"])
    assert not any(".build-deps" in each["why"] for each in document["unassessed"])


def test_packages_of_another_manager_are_no_business_of_apks(world: ApkWorld) -> None:
    """Debian's openssl is not Alpine's, whatever its number; and nothing was asked about it: no letter."""
    world.packages = [each.replace("1.1.1s-r0", "1.1.1t-r0") for each in world.packages]
    world.files["var/lib/dpkg/status"] = (
        b"Package: openssl\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n"
    )
    document = world.run("assess", "--json").document
    assert document["errata"] == []
    assert document["grade"]["letter"] is None


def test_a_login_is_never_sent_and_is_a_finding(world: ApkWorld) -> None:
    world.files["etc/apk/repositories"] = f"{HOST.replace('://', '://me:secret@')}/v3.16/main\n".encode()
    done = world.run("assess", "--json")
    assert "secret" not in done.out + done.err
    assert "credentials" in [kind for (kind,) in names(done.document["deviations"], "kind")]


def test_a_broken_database_ends_in_5(world: ApkWorld) -> None:
    world.packages.append("nonsense\n")
    done = world.run("assess")
    assert done.code == 5
    assert "lib/apk/db/installed:" in done.err


def test_a_wrong_index_in_the_place_of_another(world: ApkWorld) -> None:
    world.community = [*world.main, built("tree", "2.0.2-r1", 40)]
    document = world.run("updates", "--json").document
    assert {each["name"] for each in document["updates"]} == {"libssl1.1", "libcrypto1.1", "tree"}


def test_wolfi(world: ApkWorld) -> None:
    world.rolling("wolfi")
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] == "B"
    assert names(document["updates"], "name", "available", "security") == [("libssl3", "3.3.2-r1", True)]
    assert names(document["errata"], "id", "severity") == [("secdb:openssl/3.3.2-r0", "important")]
    assert names(document["suites"], "suite", "verified", "fresh") == [("packages.wolfi.dev/os", True, True)]


def test_chainguard_signed_by_a_key_that_is_not_pinned(world: ApkWorld) -> None:
    """Its offers are listed by the image's own key; a letter needs the pinned one, or one that the user names."""
    world.rolling("chainguard")
    document = world.run("assess", "--json").document
    assert document["grade"]["letter"] is None
    assert names(document["updates"], "name", "available") == [("libssl3", "3.3.2-r1")]
    world.references = [("chainguard", "", "chainguard", "https://apk.cgr.dev/chainguard")]
    assert world.run("assess", "--json").document["grade"]["letter"] == "B"
