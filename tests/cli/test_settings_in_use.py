"""What the configuration file adds, through the command line: archives, keyrings of this host, a folder of notices.

The image is like a distroless one: no sources, no keyring, packages in status.d.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.feeds import packed
from support.world import HOST, KEYRING, World


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        world.files = {
            path: content for path, content in world.files.items() if path not in ("etc/apt/sources.list", KEYRING)
        }
        world.files |= {f"var/lib/dpkg/status.d/{number}": each.encode() for number, each in enumerate(world.status)}
        world.status = []
        yield world


def with_keyring(world: World) -> None:
    """Have every reference name a keyring file of this host."""
    keyring = world.folder / "archive.asc"
    keyring.write_text(world.archive.key.armored)
    world.reference = world.reference.replace("security =", f'keyring = "{keyring}"\nsecurity =')


def test_nothing_leads_to_the_suites_of_an_image_without_sources(bare: World) -> None:
    grade = bare.run("assess", "--json").document["grade"]
    assert grade["letter"] is None
    assert grade["at_best"] is not None, "the notices are known all the same, and prove that it is no better"


def test_without_notices_nothing_at_all_is_known(bare: World) -> None:
    bare.notices = []
    done = bare.run("assess", "--json")
    assert (done.code, done.document["grade"]["letter"]) == (3, None)


def test_archives_and_a_keyring_of_this_host_give_it_a_letter(bare: World) -> None:
    with_keyring(bare)
    bare.settings = f'archives = ["{HOST}/debian"]'
    document = bare.run("assess", "--json", "--as-of", "2026-11-20").document
    assert document["grade"]["letter"] == "E"
    assert {suite["role"] for suite in document["suites"]} == {"reference"}
    assert all(suite["verified"] and suite["fresh"] for suite in document["suites"])
    assert document["updates"] == [], "its own sources offer nothing"
    assert [each["kind"] for each in document["deviations"]] == ["missing-suite"] * 3


def test_archives_without_the_key_give_none(bare: World) -> None:
    bare.settings = f'archives = ["{HOST}/debian"]'
    bare.notices = []
    done = bare.run("assess", "--json")
    assert (done.code, done.document["grade"]["letter"]) == (3, None)


def test_a_reference_that_says_where_it_is(bare: World) -> None:
    with_keyring(bare)
    bare.reference = bare.reference.replace("security =", f'uri = "{HOST}/debian"\nsecurity =')
    assert bare.run("assess", "--json", "--as-of", "2026-11-20").document["grade"]["letter"] == "E"


@pytest.mark.parametrize("shape", ["archive", "records"])
def test_notices_from_a_folder(tmp_path: Path, shape: str) -> None:
    with World(tmp_path) as world:
        folder = tmp_path / "osv" / "Debian"
        folder.mkdir(parents=True)
        if shape == "archive":
            (folder / "all.zip").write_bytes(packed(world.notices))
        else:
            for record in world.notices:
                (folder / f"{record['id']}.json").write_text(json.dumps(record))
        world.publish()
        configured = world.configuration()
        configured.write_text(configured.read_text().replace(world.feed.url, str(tmp_path / "osv")))
        done = world.run_words(["assess", "--json", "--offline", "--settings", str(configured), world.image])
        assert done.document["grade"]["counted"] == ["DSA-1-1"]
        assert world.feed.requests == []
