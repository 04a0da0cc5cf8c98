"""Images in local places beside skopeo: every layout, archive and manifest of the corpus, and what skopeo writes."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.command import Done, affineur
from support.docker_registry import DOCKER_REGISTRY, docker_registry, push_image, push_manifest
from support.leaving_out import leave_out
from support.registry import tar_of

pytestmark = [pytest.mark.system]

INDEX = "application/vnd.oci.image.index.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"
TAR = tar_of({"etc/os-release": b"ID=debian\n", "a": b"x" * 4000})


@pytest.fixture(scope="module", autouse=True)
def _skopeo() -> None:
    if shutil.which("skopeo") is None:
        leave_out("skopeo is not installed")


def skopeo(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["skopeo", *words], capture_output=True, check=False, timeout=120)


def compare(home: Path, reference: str) -> Done:
    """What skopeo says of an image is said by us; what it cannot read we read, or name in one line.
    An artifact in an image's config type over `{}` is to skopeo an image without any property; here it is named.
    An artifact that wears an image's config type over `{}` is an image without any property to skopeo.
    """
    done = affineur(home, "inspect", "--json", reference)
    theirs = skopeo("inspect", reference)
    expected = json.loads(theirs.stdout or b"{}")
    if "is no container image but an artifact" in done.err:
        assert (done.code, expected.get("Architecture", ""), expected.get("Created")) == (5, "", None)
    elif theirs.returncode == 0:
        assert done.code in (0, 3), (done, expected)
        assert {key: done.document[key] for key in expected} == expected
        assert done.document["Name"] == expected.get("Name", "")
        for words in (["--raw"], ["--raw", "--config"]):
            raw = skopeo("inspect", *words, reference)
            if raw.returncode == 0:
                assert affineur(home, "inspect", *words, reference).out.encode() == raw.stdout
    else:
        assert done.code in (0, 3, 4, 5), done
        assert done.code in (0, 3) or re.fullmatch(r"affineur: .+\n", done.err.splitlines(keepends=True)[-1])
    return done


class TestCorpus:
    pytestmark = pytest.mark.corpus

    @pytest.mark.parametrize("name", ["oci-layout-valid", "oci-layout-multiplatform", "oci-layout-testrepo"])
    def test_every_image_of_every_layout(self, corpus: Path, tmp_path: Path, name: str) -> None:
        folder = corpus / "images" / name
        told = set()
        for position, entry in enumerate(json.loads((folder / "index.json").read_bytes())["manifests"]):
            tag = entry.get("annotations", {}).get(REF_NAME, f"@{position}")
            told.add(compare(tmp_path, f"oci:{folder}:{tag}").code)
        assert told & {0, 3}  # images were among them

    @pytest.mark.parametrize("name", ["gzip", "zstd", "estargz", "uncompressed"])
    def test_every_oci_archive(self, corpus: Path, tmp_path: Path, name: str) -> None:
        done = compare(tmp_path, f"oci-archive:{corpus}/images/oci-archive-{name}.tar")
        assert done.code == 0
        assert done.document["Name"] == ""

    def test_the_docker_archive_gunzipped_and_as_it_is(self, corpus: Path, tmp_path: Path) -> None:
        packed = corpus / "images" / "alpine-3.10-docker-archive.tar.gz"
        plain = tmp_path / "alpine.tar"
        plain.write_bytes(gzip.decompress(packed.read_bytes()))
        for which in ("", ":alpine:3.10", ":docker.io/library/alpine:3.10", ":@0"):
            unpacked = compare(tmp_path, f"docker-archive:{plain}{which}")
            assert unpacked.code == 0
            as_it_is = affineur(tmp_path, "inspect", "--json", f"docker-archive:{packed}{which}").document
            unlike = {key for key in as_it_is if as_it_is[key] != unpacked.document[key]}
            assert unlike == {"affineur"}  # where the archive's own name stands
        listed = affineur(tmp_path, "tags", "--json", f"docker-archive:{packed}").document
        assert listed["Tags"] == json.loads(skopeo("list-tags", f"docker-archive:{plain}").stdout)["Tags"]

    def test_packages_of_a_real_archive(self, corpus: Path, tmp_path: Path) -> None:
        archive = corpus / "images" / "alpine-3.10-docker-archive.tar.gz"
        done = affineur(tmp_path, "packages", "--json", f"docker-archive:{archive}")
        there = json.loads((corpus / "images" / "alpine-3.10-packages.json").read_bytes())
        assert done.code == 0
        assert done.document["distribution"]["id"] == "alpine"
        assert {each["name"] for each in done.document["packages"]} == {each["Name"] for each in there}

    def test_every_manifest_in_a_folder(self, corpus: Path, tmp_path: Path) -> None:
        """As it is: a config that is not there is no image for skopeo either, and what is no manifest is named."""
        files = sorted((corpus / "manifests/containers-image/manifest-fixtures").iterdir())
        assert len(files) > 25
        codes = {}
        for file in files:
            folder = tmp_path / file.name
            folder.mkdir()
            (folder / "manifest.json").write_bytes(file.read_bytes())
            codes[file.name] = compare(tmp_path, f"dir:{folder}").code
        assert codes["v2s1.everything.json"] in (0, 3)
        assert codes["non-json.manifest.json"] == 5
        assert codes["ociv1.manifest.json"] in (4, 5)

    def test_every_manifest_with_the_config_that_it_needs(self, corpus: Path, tmp_path: Path) -> None:
        """Nobody has the config that these name: another takes its place, with as many diff IDs as there are layers."""
        read = set()
        for file in sorted((corpus / "manifests/containers-image/manifest-fixtures").iterdir()):
            try:
                manifest = json.loads(file.read_bytes())
            except ValueError:
                continue
            if "config" not in manifest:
                continue
            diff_ids = [f"sha256:{number:064x}" for number in range(len(manifest["layers"]))]
            rootfs = {"type": "layers", "diff_ids": diff_ids}
            config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
            digest = hashlib.sha256(config).hexdigest()
            manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(config)}
            for kind in ("dir", "oci"):
                written = json.dumps(manifest).encode()
                folder = tmp_path / kind / file.name
                reference = f"{kind}:{folder}"
                write(kind, folder, written, manifest.get("mediaType", ""), config)
                if skopeo("inspect", reference).returncode == 0:
                    read.add((kind, file.name))
                compare(tmp_path, reference)
        assert {name for kind, name in read if kind == "dir"} >= {
            "ociv1.encrypted.manifest.json",
            "ociv1.nondistributable.zstd.manifest.json",
            "ociv1.zstd.manifest.json",
            "v2s2.nondistributable.gzip.manifest.json",
            "v2s2.uncompressed.manifest.json",
        }
        assert "ociv1.zstd.manifest.json" in {name for kind, name in read if kind == "oci"}


def write(kind: str, folder: Path, manifest: bytes, media_type: str, config: bytes) -> None:
    hexes = {hashlib.sha256(content).hexdigest(): content for content in (manifest, config)}
    blobs = folder if kind == "dir" else folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for name, content in hexes.items():
        (blobs / name).write_bytes(content)
    (folder / "manifest.json").write_bytes(manifest)
    if kind == "oci":
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        named = {"digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}", "size": len(manifest)}
        entry = {"mediaType": media_type or "application/vnd.oci.image.manifest.v1+json", **named}
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One image, and an index of two, copied from docker-registry by skopeo to every local transport."""
    if DOCKER_REGISTRY is None:
        leave_out("docker-registry is not installed")
    folder = tmp_path_factory.mktemp("copied")
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        full = {"created": "2026-01-02T03:04:05.678901234Z", "config": {"Env": ["A=b"], "Labels": {"a": "<&>é"}}}
        one = push_image(host, "team/app", "1", [TAR, tar_of({"b": b"c"})], full)
        children = []
        for architecture in ("amd64", "s390x"):
            child = push_image(host, "team/app", architecture, [TAR], {**full, "architecture": architecture})
            content = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/team/app@{child['digest']}")
            platform = {"os": "linux", "architecture": architecture}
            named = {"digest": child["digest"], "size": len(content.stdout), "platform": platform}
            children.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", **named})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
        push_manifest(host, "team/app", "index", json.dumps(index).encode(), INDEX)
        assert one["digest"]
        for source, target, *more in (
            ("1", f"oci:{folder}/layout:1"),
            ("index", f"oci:{folder}/layout:index", "--all"),
            ("1", f"oci-archive:{folder}/one.tar:1"),
            ("1", f"oci-archive:{folder}/unnamed.tar"),
            ("1", f"docker-archive:{folder}/save.tar:team/app:1"),
            ("1", f"dir:{folder}/dir"),
            ("index", f"dir:{folder}/index", "--all"),
        ):
            done = skopeo("copy", "--src-tls-verify=false", *more, f"docker://{host}/team/app:{source}", target)
            assert done.returncode == 0, done.stderr
        yield folder


@pytest.mark.parametrize(
    ("reference", "lists"),
    [
        ("oci:{}/layout:1", ["1", "index"]),
        ("oci:{}/layout:index", ["1", "index"]),
        ("oci-archive:{}/one.tar:1", ["1"]),
        ("oci-archive:{}/one.tar", ["1"]),
        ("oci-archive:{}/unnamed.tar", []),
        ("docker-archive:{}/save.tar", ["docker.io/team/app:1"]),
        ("docker-archive:{}/save.tar:team/app:1", ["docker.io/team/app:1"]),
        ("dir:{}/dir", []),
        ("dir:{}/index", []),
    ],
)
def test_what_skopeo_copied_is_what_skopeo_says(copied: Path, tmp_path: Path, reference: str, lists: list[str]) -> None:
    done = compare(tmp_path, reference.format(copied))
    assert done.code == 0, done
    assert affineur(tmp_path, "tags", "--json", reference.format(copied)).document["Tags"] == lists


@pytest.mark.parametrize("reference", ["oci:{}/layout:index", "dir:{}/index"])
def test_another_platform_of_an_index(copied: Path, tmp_path: Path, reference: str) -> None:
    done = affineur(tmp_path, "inspect", "--json", "--platform", "linux/s390x", reference.format(copied))
    expected = json.loads(skopeo("--override-arch", "s390x", "inspect", reference.format(copied)).stdout)
    assert {key: done.document[key] for key in expected} == expected
    assert done.document["Architecture"] == "s390x"


def test_images_that_podman_saved(copied: Path, tmp_path: Path) -> None:
    """Several names in one docker archive, and one in an OCI archive; podman writes full names into both."""
    if shutil.which("podman") is None:
        leave_out("podman is not installed")
    names = [f"registry.example/team/app:{tag}" for tag in ("1", "2")]
    with TemporaryDirectory() as short:  # podman takes no runroot of more than 50 characters
        storage = ["--root", f"{tmp_path}/root", "--runroot", short, "--storage-driver", "vfs"]

        def podman(*words: str) -> str:
            done = subprocess.run(["podman", *storage, *words], capture_output=True, check=False, timeout=300)
            assert done.returncode == 0, done.stderr
            return done.stdout.decode()

        image = podman("pull", "-q", f"oci-archive:{copied}/unnamed.tar").strip()
        for name in names:
            podman("tag", image, name)
        podman("save", "-q", "-m", "-o", f"{tmp_path}/docker.tar", *names)
        podman("save", "-q", "--format", "oci-archive", "-o", f"{tmp_path}/oci.tar", names[0])
    for reference in (f"docker-archive:{tmp_path}/docker.tar:{names[1]}", f"oci-archive:{tmp_path}/oci.tar:{names[0]}"):
        assert compare(tmp_path, reference).code == 0
    assert set(affineur(tmp_path, "tags", f"docker-archive:{tmp_path}/docker.tar").out.split()) == set(names)
