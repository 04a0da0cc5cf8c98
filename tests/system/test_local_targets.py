"""What `affineur copy` writes on this machine, read by skopeo, podman and tar, beside what skopeo writes itself."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.command import affineur
from support.leaving_out import leave_out
from support.registry import Registry, tar_of

pytestmark = [pytest.mark.system]

REPOSITORY = "team/app"
LAYERS = [
    tar_of({"etc/os-release": b"ID=debian\n", "bin/tool": bytes(range(256)) * 2_000}),
    tar_of({"a": b"x" * 4_000}),
    tar_of({"b": b"y" * 4_000}),
]
KINDS = {
    "oci": "oci:{}/layout:1",
    "oci-archive": "oci-archive:{}/layout.tar:1",
    "docker-archive": "docker-archive:{}/save.tar:team/app:1",
    "dir": "dir:{}/dir",
}
Podman = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    for tool in ("skopeo", "podman", "tar"):
        if shutil.which(tool) is None:
            leave_out(f"{tool} is not installed")


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """One image of three layers, tagged 1; an index of two; and Docker's media types."""
    with Registry() as served:
        served.referrers_api = True
        served.push(REPOSITORY, "1", LAYERS, config={"author": "somebody"})
        children = []
        for architecture in ("amd64", "s390x"):
            digest = served.push(REPOSITORY, None, LAYERS, architecture=architecture)
            children.append({"digest": digest, "platform": {"os": "linux", "architecture": architecture}})
        served.push_index(REPOSITORY, "index", children)
        served.push(REPOSITORY, "docker", LAYERS, docker=True)
        served.push(REPOSITORY, "zstd", LAYERS, compression="zstd")
        yield served


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Podman]:
    """podman on a storage of its own."""
    with TemporaryDirectory() as short:  # podman takes no runroot of more than 50 characters
        storage = ["--root", f"{tmp_path}/root", "--runroot", short, "--storage-driver", "vfs"]

        def run(*words: str) -> str:
            done = subprocess.run(["podman", *storage, *words], capture_output=True, check=False, timeout=300)
            assert done.returncode == 0, done.stderr
            return done.stdout.decode()

        yield run


def named(kind: str, folder: Path, tag: str) -> str:
    """A target of a kind; without a name where skopeo 1.9 looks past it: in a layout, at an image in Docker's types.

    It does not find what it wrote itself with --preserve-digests either (podman-container-tools/skopeo#1975).
    """
    text = KINDS[kind].format(folder)
    return text.removesuffix(":1") if kind.startswith("oci") and tag == "docker" else text


def copied(registry: Registry, folder: Path, tag: str, target: str, *options: str) -> None:
    """`affineur copy`, which must succeed."""
    done = affineur(folder, "copy", *options, f"{registry.host}/{REPOSITORY}:{tag}", target)
    assert done.code == 0, done


def skopeo(*words: str) -> bytes:
    done = subprocess.run(["skopeo", *words], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def from_registry(registry: Registry, tag: str, target: str, *options: str) -> None:
    """The same by skopeo."""
    skopeo("copy", "-q", "--src-tls-verify=false", *options, f"docker://{registry.host}/{REPOSITORY}:{tag}", target)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def manifest_of(registry: Registry, tag: str) -> bytes:
    return (registry.manifest(REPOSITORY, tag) or (b"", ""))[0]


def config_of(registry: Registry, tag: str) -> bytes:
    digest = json.loads(manifest_of(registry, tag))["config"]["digest"]
    return registry.blob(REPOSITORY, digest) or b""


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "dir"])
@pytest.mark.parametrize("tag", ["1", "index", "docker", "zstd"])
def test_skopeo_reads_the_same_bytes(registry: Registry, tmp_path: Path, kind: str, tag: str) -> None:
    """The manifest by `inspect --raw`, every blob by copying what was written to another place."""
    target = named(kind, tmp_path, tag)
    copied(registry, tmp_path, tag, target)
    assert skopeo("inspect", "--raw", target) == manifest_of(registry, tag)
    everything = ["--all"] if tag == "index" else []
    skopeo("copy", "-q", "--preserve-digests", *everything, target, f"dir:{tmp_path}/by-skopeo")
    from_registry(registry, tag, f"dir:{tmp_path}/straight", "--preserve-digests", *everything)
    assert content_of(tmp_path / "by-skopeo") == content_of(tmp_path / "straight")
    if tag == "index":
        for architecture in ("amd64", "s390x"):
            told = skopeo("--override-arch", architecture, "inspect", target)
            assert json.loads(told)["Architecture"] == architecture


@pytest.mark.parametrize("tag", ["1", "index", "docker", "zstd"])
def test_a_folder_is_what_skopeo_writes(registry: Registry, tmp_path: Path, tag: str) -> None:
    """To the last file; and each writes over what the other wrote."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    copied(registry, tmp_path, tag, f"dir:{ours}")
    from_registry(registry, tag, f"dir:{theirs}", "--all")
    assert content_of(ours) == content_of(theirs)
    copied(registry, tmp_path, "1", f"dir:{theirs}")
    from_registry(registry, "1", f"dir:{ours}", "--all")
    assert content_of(ours) == content_of(theirs)


def test_a_layout_that_both_write_to(registry: Registry, tmp_path: Path) -> None:
    """By turns; neither loses what the other named."""
    from_registry(registry, "1", f"oci:{tmp_path}/layout:theirs")
    copied(registry, tmp_path, "index", f"oci:{tmp_path}/layout:ours", "--to", "further")
    from_registry(registry, "1", f"oci:{tmp_path}/layout:last")
    copied(registry, tmp_path, "zstd", f"oci:{tmp_path}/layout:last")
    copied(registry, tmp_path, "docker", f"oci:{tmp_path}/layout")
    for name, tag in (("theirs", "1"), ("ours", "index"), ("further", "index"), ("last", "zstd")):
        assert skopeo("inspect", "--raw", f"oci:{tmp_path}/layout:{name}") == manifest_of(registry, tag)
    for file in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name


@pytest.mark.parametrize("tag", ["1", "docker"])
def test_a_docker_archive_is_what_skopeo_writes(registry: Registry, tmp_path: Path, tag: str) -> None:
    """Its manifest.json, its layers and its configuration; skopeo adds what docker before 1.10 read."""
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    copied(registry, tmp_path, tag, f"docker-archive:{ours}:team/app:1")
    from_registry(registry, tag, f"docker-archive:{theirs}:team/app:1")
    for archive, folder in ((ours, tmp_path / "ours"), (theirs, tmp_path / "theirs")):
        folder.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    of_ours, of_theirs = content_of(tmp_path / "ours"), content_of(tmp_path / "theirs")
    assert json.loads(of_ours.pop("manifest.json")) == json.loads(of_theirs.pop("manifest.json"))
    assert {name: of_theirs[name] for name in of_ours} == of_ours
    assert {name for name in of_theirs if name.endswith((".tar", ".json")) and "/" not in name} == set(of_ours)
    assert skopeo("inspect", "--raw", "--config", f"docker-archive:{ours}") == config_of(registry, tag)
    assert json.loads(skopeo("list-tags", f"docker-archive:{ours}"))["Tags"] == ["docker.io/team/app:1"]


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("oci", "1"),
        ("oci", "docker"),
        ("oci-archive", "1"),
        ("oci-archive", "zstd"),
        ("docker-archive", "1"),
        ("docker-archive", "zstd"),
        ("dir", "1"),
    ],
)
def test_podman_takes_it(registry: Registry, tmp_path: Path, podman: Podman, kind: str, tag: str) -> None:
    """By pull, and from archives by load: the image ID is the configuration's digest, the layers are those."""
    target = named(kind, tmp_path, tag)
    copied(registry, tmp_path, tag, target)
    expected = hashlib.sha256(config_of(registry, tag)).hexdigest()
    assert podman("pull", "-q", target).strip() == expected
    if kind.endswith("-archive"):
        podman("rmi", "-f", expected)
        assert podman("load", "-q", "-i", target.split(":")[1]).startswith("Loaded image")
    (image,) = json.loads(podman("inspect", expected))
    assert image["RootFS"]["Layers"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in LAYERS]
    assert image["Author"] == ("somebody" if tag == "1" else "")
    assert (image["RepoTags"] == ["docker.io/team/app:1"]) is (kind == "docker-archive")


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_tar_lists_it(registry: Registry, tmp_path: Path, kind: str) -> None:
    """Without a word on standard error; and what GNU tar writes from it is read as well."""
    target = KINDS[kind].format(tmp_path)
    copied(registry, tmp_path, "1", target)
    archive = target.split(":")[1]
    listed = subprocess.run(["tar", "-tvf", archive], capture_output=True, check=True)
    assert listed.stderr == b""
    assert listed.stdout.count(b"\n") == (7 if kind == "oci-archive" else 5)
    assert all(line.startswith(b"-rw-r--r-- 0/0 ") and b"1970-01-01" in line for line in listed.stdout.splitlines())
    with TemporaryDirectory() as folder:
        subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
        subprocess.run(["tar", "-cf", tmp_path / "again.tar", "-C", folder, "."], check=True)
    raw = affineur(tmp_path, "inspect", "--raw", f"{kind}:{tmp_path}/again.tar")
    assert raw.out == affineur(tmp_path, "inspect", "--raw", target).out


def test_an_index_does_not_fit_into_a_docker_archive(registry: Registry, tmp_path: Path) -> None:
    target = f"docker-archive:{tmp_path}/save.tar:team/app:1"
    done = affineur(tmp_path, "copy", f"{registry.host}/{REPOSITORY}:index", target)
    assert done.code == 5
    assert "--platform" in done.err
    assert "linux/s390x" in done.err
    assert not (tmp_path / "save.tar").exists()
    copied(registry, tmp_path, "index", target, "--platform", "linux/s390x")
    assert json.loads(skopeo("--override-arch", "s390x", "inspect", target))["Architecture"] == "s390x"


def test_what_belongs_to_an_image_comes_along(registry: Registry, tmp_path: Path) -> None:
    """A referrer and a tag of cosign's, into a layout and back out of it; skopeo reads the image beside them."""
    content, media_type = registry.manifest(REPOSITORY, "1") or (b"", "")
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "data": "e30="}
    empty["digest"] = registry.add_blob(REPOSITORY, b"{}")
    sbom = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "artifactType": "application/spdx+json",
        "config": empty,
        "layers": [empty],
        "subject": {"mediaType": media_type, "digest": digest, "size": len(content)},
    }
    cosign = f"{digest.replace(':', '-')}.sig"
    referrer = registry.add_manifest(REPOSITORY, None, sbom, media_type)
    registry.push(REPOSITORY, cosign, LAYERS[:1])
    copied(registry, tmp_path, "1", f"oci:{tmp_path}/layout:1")
    copied(registry, tmp_path, "1", f"oci-archive:{tmp_path}/layout.tar:1")
    for layout in (f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/layout.tar"):
        assert skopeo("inspect", "--raw", f"{layout}:1") == content
        assert skopeo("inspect", "--raw", f"{layout}:{cosign}") == manifest_of(registry, cosign)
        told = affineur(tmp_path, "inspect", "--json", f"{layout}:1").document["affineur"]
        assert [each["digest"] for each in told["referrers"]] == [referrer]
        assert affineur(tmp_path, "inspect", "--raw", layout).out.encode() == content  # without a name, the image
    refused = affineur(tmp_path, "copy", f"{registry.host}/{REPOSITORY}:1", f"dir:{tmp_path}/dir")
    assert refused.code == 0
    assert "holds one image and nothing that belongs to it" in " ".join(refused.out.split())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_already(registry: Registry, tmp_path: Path, kind: str) -> None:
    """skopeo replaces an oci-archive without a word, and writes into any folder: here both are refused, and said."""
    target = KINDS[kind].format(tmp_path)
    place = Path(target.split(":")[1])
    if kind.endswith("-archive"):
        place.write_text("precious")
    else:
        place.mkdir()
        (place / "precious").write_text("x")
    done = affineur(tmp_path, "copy", f"{registry.host}/{REPOSITORY}:1", target)
    assert done.code in (4, 5)
    assert done.err.startswith("affineur: ")
    assert done.err.count("\n") == 1
    assert (
        place.read_text() == "precious" if place.is_file() else [each.name for each in place.iterdir()] == ["precious"]
    )
