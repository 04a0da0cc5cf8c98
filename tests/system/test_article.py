"""The article's Ubuntu image: its 55 lines, and the notices that moved its letter, through the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support import trusty
from support.world import KEYRING, World

pytestmark = pytest.mark.corpus
OF_THE_ARTICLE = "2019-05-01"


def article(corpus: Path, folder: Path) -> World:
    """The image and the three suites of the transcript, signed with a fresh key that the configuration pins."""
    world = World(folder)
    world.files = {
        "etc/os-release": trusty.os_release(),
        "etc/apt/sources.list": trusty.sources_list("http://archive.example/ubuntu/").replace(
            b"deb ", f"deb [signed-by=/{KEYRING}] ".encode()
        ),
        KEYRING: world.archive.key.armored.encode(),
    }
    world.status = [trusty.status(corpus).decode()]
    world.suites = {}
    for name in trusty.SUITES:
        world.archive.suite(
            name,
            {"main": [trusty.packages_index(corpus, name).decode()]},
            below="ubuntu/",
            origin="Ubuntu",
            label="Ubuntu",
            codename="trusty",
            version="14.04",
            date=datetime(2019, 4, 25, tzinfo=UTC),
        )
    world.reference = "".join(
        f'[[reference]]\ndistribution = "ubuntu"\nrelease = "14.04"\nsuite = "{name}"\norigin = "Ubuntu"\n'
        f'keys = ["{world.archive.key.fingerprint}"]\nsecurity = {str(name.endswith("security")).lower()}\n'
        for name in trusty.SUITES
    )
    world.notices = json.loads((corpus / "errata" / "ubuntu-trusty-usn-osv.json").read_bytes())
    world.feed_name = "Ubuntu"
    return world


def test_updates_are_the_transcript_line_for_line(corpus: Path, tmp_path: Path) -> None:
    transcript = (corpus.parent / "article" / "ubuntu-trusty-upgradable.tsv").read_text().splitlines()[1:]
    expected = []
    for line in transcript:
        package, suites, available, architecture, installed = line.split("\t")
        expected.append(f"{package}/{suites} {available} {architecture} [upgradable from: {installed}]")
    assert len(expected) == 55
    with article(corpus, tmp_path) as world:
        done = world.run("updates", "--list")
    assert (done.out.splitlines(), done.err) == (expected, "")
    assert done.code == 0


def test_age_shows_the_notices_that_moved_its_letter(corpus: Path, tmp_path: Path) -> None:
    records = json.loads((corpus / "errata" / "ubuntu-trusty-usn-osv.json").read_bytes())
    security = [record for record in records if record["upstream"] or record["related"]]
    first = min(security, key=lambda record: record["published"])
    with article(corpus, tmp_path) as world:
        document = json.loads(world.run("age", "--json", "--as-of", OF_THE_ARTICLE).out)
        text = world.run("age", "--as-of", OF_THE_ARTICLE).out
    schedule = document["grade"]["schedule"]
    assert schedule[0]["day"] == first["published"][:10]
    assert schedule[0]["because"] == [first["id"]]
    assert first["id"] in text
    counted = {erratum["id"] for erratum in document["errata"] if not erratum["id"].startswith("unrated:")}
    assert counted == {record["id"] for record in security}, "every fix lies in (installed, available]"


def test_the_image_of_the_article_has_ended_since(corpus: Path, tmp_path: Path) -> None:
    with article(corpus, tmp_path) as world:
        done = world.run("assess", "--json")
    document = json.loads(done.out)
    assert done.code == 1
    assert document["grade"]["letter"] != "A"
    assert document["lifecycle"]["support"] in {"paid-only", "ended"}
    assert sum(update["security"] is True for update in document["updates"]) >= 36
