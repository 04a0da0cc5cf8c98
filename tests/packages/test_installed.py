"""What is installed, through `affineur packages` and a registry on loopback, to the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from affineur.cli.main import run
from affineur.packages.installed import installed
from affineur.store.layers import LayerStore
from support.layers import Layers, file, layer, link, whiteout
from support.registry import Answer, Registry, digest_of, tar_of
from support.registry import layer as served

STATUS = "var/lib/dpkg/status"
RELEASE = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def record(name: str, version: str = "1:2.3+b1-4") -> str:
    return (
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nSource: src (2.3)\nVersion: {version}\n"
        "Maintainer: A <a@example>\nDescription: x\n\n"
    )


BASE = {"usr/lib/os-release": RELEASE.encode(), STATUS: record("libc6").encode()}
TOP = {STATUS: (record("libc6") + record("g++", "12")).encode()}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def listed(image: Layers) -> list[tuple[str, int]]:
    return [(found.package.name, found.layer) for found in installed(image, image.layers, None).packages]


def test_names_the_layer_of_the_record_and_the_distribution() -> None:
    image = Layers(
        layer(file("usr/lib/os-release", RELEASE), link("etc/os-release", "../usr/lib/os-release")),
        layer(file(STATUS, record("libc6"))),
        layer(file(STATUS, record("libc6") + record("bash"))),
    )
    assert listed(image) == [("libc6", 2), ("bash", 2)]
    found = installed(image, image.layers, None)
    assert found.release is not None
    assert (found.release.pretty_name, found.complete, found.fetched) == ("Debian GNU/Linux 12 (bookworm)", True, 2)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/dpkg/updates/0001", "dpkg's journal"),
        ("var/lib/pacman/local/ALPM_DB_VERSION", "pacman"),
        ("var/db/pkg/app-shells/bash-5/PF", "portage"),
    ],
)
def test_other_databases_are_named_and_make_the_list_incomplete(path: str, kind: str) -> None:
    for more in ([], [file(STATUS, record("libc6"))]):
        image = Layers(layer(file(path, "content"), file("etc/os-release", RELEASE), *more))
        found = installed(image, image.layers, None)
        assert len(found.packages) == len(more)
        assert not found.complete
        assert f"databases of {kind} are not read yet" in [gap.why for gap in found.unassessed]


def test_a_removed_database_is_not_there() -> None:
    other = "var/lib/pacman/local/ALPM_DB_VERSION"
    image = Layers(layer(file(other, "9"), file(STATUS, record("a"))), layer(whiteout("var/lib/pacman")))
    assert installed(image, image.layers, None).complete


def test_no_database_is_not_an_empty_one() -> None:
    nothing = Layers(layer(file("etc/hosts", "")))
    found = installed(nothing, nothing.layers, None)
    assert (found.packages, found.complete, found.release) == ((), False, None)
    assert [gap.what for gap in found.unassessed][:2] == ["packages", "distribution"]
    empty = Layers(layer(file(STATUS, "")))
    assert installed(empty, empty.layers, None).complete


def test_remembered_layers_are_not_fetched(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    image = Layers(layer(file(STATUS, record("a")), file("etc/os-release", RELEASE)))
    first = installed(image, image.layers, store)
    again = installed(image, image.layers, store)
    assert (first.fetched, again.fetched) == (1, 0)
    assert again.packages == first.packages
    store.close()


def packages(registry: Registry, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    code = run(["packages", *options, f"{registry.host}/team/app:1"])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    with Registry() as registry:
        registry.push("team/app", "1", layers=[tar_of(BASE), served(tar_of(TOP), "zstd")])
        code, out, _ = packages(registry, capsys, "--json")
        document: dict[str, Any] = json.loads(out)
        assert code == 0
        assert document["schema"] == "affineur.packages/1"
        assert document["packages"][1] == {
            "name": "g++",
            "version": "12",
            "architecture": "amd64",
            "source": "src",
            "source_version": "2.3",
            "status": "install ok installed",
            "purl": "pkg:deb/debian/g%2B%2B@12?arch=amd64&distro=debian-12",
            "layer": served(tar_of(TOP)).diff_id,
            "manager": "dpkg",
            **dict.fromkeys(("vendor", "module", "licence", "key_id", "repository"), ""),
            **dict.fromkeys(("size", "installed_at")),
        }
        assert document["unassessed"][-1]["what"].startswith("packages of languages")
        code, out, _ = packages(registry, capsys)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        assert "g++    12" in out
        assert "Packages: 2" in out
        assert "packages of languages" in out
        for name, key in (("cyclonedx", "bomFormat"), ("spdx", "spdxVersion")):
            code, out, _ = packages(registry, capsys, "--format", name)
            assert (code, key in json.loads(out)) == (0, True)
        blobs = [path for _, path in registry.requests if "/blobs/" in path]
        assert len(blobs) == len(set(blobs)) + 3  # the config each time, each layer once


@pytest.mark.parametrize(
    ("files", "code", "told"),
    [
        ({"etc/os-release": b"ID=alpine\n", "usr/lib/opkg/status": b"Package: musl\n"}, 3, ""),
        ({"../../etc/x": b"", **BASE}, 5, "leads out of the image"),
        ({STATUS: b"garbage\n"}, 5, "var/lib/dpkg/status:1: a line without a field name"),
        ({STATUS: record("a").encode() + b"Package: b\nStatus: install ok installed\n"}, 5, "b: no valid Version"),
    ],
)
def test_exit_codes(files: dict[str, bytes], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Registry() as registry:
        registry.push("team/app", "1", layers=[tar_of(files)])
        found, _, error = packages(registry, capsys)
        assert (found, told in error) == (code, True)
        again, _, _ = packages(registry, capsys)
        assert again == code


@pytest.mark.parametrize("change", ["short", "long", "another"])
def test_a_layer_that_is_another_than_promised(change: str, capsys: pytest.CaptureFixture[str]) -> None:
    good = served(tar_of(BASE))
    sent = {"short": good.content[:-1], "long": good.content + b"x", "another": served(tar_of(TOP)).content}[change]
    with Registry() as registry:
        registry.push("team/app", "1", layers=[good])
        path = f"/v2/team/app/blobs/{digest_of(good.content)}"
        registry.misbehave[path] = Answer(body=sent)
        code, out, error = packages(registry, capsys)
        assert (code, out) == (5, "")
        assert digest_of(good.content) in error
        del registry.misbehave[path]
        code, out, _ = packages(registry, capsys)
        assert code == 0
        assert "libc6" in out
