"""A real image beside a real index: Alpine 3.10 as saved by docker, and Alpine 3.16's main of 2022-11-21.

What the index has of each name is what a search of its text finds; versions are compared by apk's own vectors.
"""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from affineur.packages.apk import APK
from affineur.packages.osrelease import OSRelease
from affineur.packages.versions.apk import compare
from affineur.repositories.apk.choose import choose
from affineur.repositories.apk.configuration import PATHS, read_configuration
from affineur.repositories.apk.index import parse_index, unpacked
from affineur.repositories.apk.model import ApkIndex, ApkRepository, OfferedIndex
from affineur.repositories.apk.reference import references_for
from affineur.repositories.apk.signed import named_keys, opened
from support.apk import Repositories
from support.command import started

pytestmark = pytest.mark.corpus
INDEX = "apk/alpine-3.16-main-x86_64-APKINDEX.tar.gz"
IMAGE = "images/alpine-3.10-docker-archive.tar.gz"


def files(corpus: Path) -> dict[str, bytes]:
    """Of the image's only layer."""
    with tarfile.open(corpus / IMAGE) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest
        packed = archive.extractfile(json.loads(manifest.read())[0]["Layers"][0])
        assert packed
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as tar:
            found = ((member.name, tar.extractfile(member)) for member in tar if member.isfile())
            return {name: content.read() for name, content in found if content}


def test_what_it_would_be_offered(corpus: Path) -> None:
    image = files(corpus)
    packages = APK.extract(APK.paths[0], image[APK.paths[0]])
    text = unpacked(opened((corpus / INDEX).read_bytes(), "index").content, "index").text
    repository = ApkRepository("https://a.example/v3.16/main")
    index = ApkIndex(repository, repository.url, verified=True)
    configuration = read_configuration(image, "")
    offers = tuple(parse_index(text, {package.name for package in packages}, "index"))
    updates = choose(packages, configuration, [OfferedIndex(index, offers)]).updates
    searched = {
        name: version
        for name, version in re.findall(r"^P:(.*)\nV:(.*)$", text.decode(), re.MULTILINE)
        if name in {package.name for package in packages}
    }
    assert {update.name: update.available for update in updates} == searched
    assert len(searched) == 12  # libtls-standalone and ca-certificates-cacert are no more
    assert all(compare(update.installed, update.available) < 0 for update in updates)


def test_what_the_image_goes_by(corpus: Path) -> None:
    image = files(corpus)
    configuration = read_configuration(image, "")
    assert [each.url for each in configuration.repositories] == [
        "http://dl-cdn.alpinelinux.org/alpine/v3.10/main",
        "http://dl-cdn.alpinelinux.org/alpine/v3.10/community",
    ]
    assert [each.name for each in configuration.world] == (image["etc/apk/world"].decode().split())
    assert (configuration.architectures, configuration.problems) == (("x86_64",), ())
    keys, problems = named_keys(configuration.keys.items())
    assert problems == ()
    assert sorted(name[-16:-8] for name in keys) == ["4a6a0840", "5243ef4b", "5261cecb"]
    known = references_for(OSRelease({"ID": "alpine", "VERSION_ID": "3.10.4"}), "x86_64")
    assert isinstance(known, tuple)
    for name in ("4a6a0840", "5261cecb"):  # those of its architecture are the same that are pinned here
        file = f"alpine-devel@lists.alpinelinux.org-{name}.rsa.pub"
        assert known[0].keys[file] == keys[file]
    assert any(path.startswith("usr/share/apk/keys/") for path in image)
    assert "usr/share/apk/keys/*" in PATHS


def test_an_index_of_another_release_in_the_place_of_its_own(corpus: Path, tmp_path: Path) -> None:
    """Really signed by Alpine: the image has no such key, and it says itself that it is none of 3.10."""
    with Repositories() as served:
        served.files["alpine/v3.10/main/x86_64/APKINDEX.tar.gz"] = (corpus / INDEX).read_bytes()
        settings = tmp_path / "config.toml"
        mirrors = "".join(
            f'[[mirror]]\nfrom = "{scheme}://dl-cdn.alpinelinux.org"\nto = "{served.url}"\n'
            for scheme in ("http", "https")
        )
        settings.write_text(f'[network]\nallow = ["127.0.0.0/8"]\n[feeds]\nosv = ""\n{mirrors}')
        words = ["assess", "--json", "--settings", str(settings), f"docker-archive:{corpus / IMAGE}"]
        document = started(tmp_path, words).document
    assert document["updates"] == []
    assert document["grade"]["letter"] is None
    said = " ".join(each["why"] for each in document["unassessed"])
    assert "6165ee59.rsa.pub, none of the keys that count" in said
    assert "its description is v3.16.3-13-g4d933a1fa3, so it is not v3.10/main" in said
