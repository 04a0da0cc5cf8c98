"""Signatures of GnuPG beside registries: made by `skopeo copy --sign-by`, carried, and judged by skopeo and podman."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple

import pytest

from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.oci.digest import Digest
from affineur.oci.place import parse_place
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registriesd import RegistriesD
from affineur.source.lookaside import LookasideSource, Signatures
from affineur.target.lookaside import LookasideTarget, Stored
from support.command import affineur
from support.docker_registry import DOCKER_REGISTRY, docker_registry, free_port, push_image, push_manifest
from support.leaving_out import leave_out
from support.registry import tar_of

pytestmark = pytest.mark.system

INDEX = "application/vnd.oci.image.index.v1+json"
UID = "Tests <tests@registry.example>"


class Stage(NamedTuple):
    """A registry with a signed image at `team/app:1` and a signed index at `team/many:1`, and a user's home.

    What is below `team` is signed: skopeo writes to `home/signed`, and a server serves that. What is below `copies` has
    its signatures in `home/copies`, for all to read; what is below `nowhere` has no place for them.
    """

    host: str
    home: Path
    key: Path

    @property
    def configuration(self) -> RegistriesD:
        return RegistriesD.read({"HOME": str(self.home)}, self.home, 1000)

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GNUPGHOME": str(self.home / "gnupg"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            **more,
        }
        return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120, check=False)

    def must(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def skopeo_copy(self, *words: str, policy: Path | None = None) -> subprocess.CompletedProcess[str]:
        judging = ["--policy", str(policy)] if policy is not None else ["--insecure-policy"]
        insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        return self.run("skopeo", *judging, "copy", *insecure, *words)

    def policy(self, name: str, transport: str, scope: str, identity: dict[str, str]) -> Path:
        """A policy.json by which an image must be signed by our key, and under which name."""
        rule = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(self.key), "signedIdentity": identity}
        path = self.home / f"{name}.json"
        path.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {transport: {scope: [rule]}}}))
        return path

    def digest(self, name: str) -> Digest:
        raw = self.must("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{self.host}/{name}")
        return Digest.of(raw.encode())

    def read(self, reference: str, digest: Digest) -> Signatures:
        with Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}) as client:
            source = LookasideSource(self.configuration, client)
            return source.signatures(parse_place(reference) or parse_reference(reference), digest)

    def carry(self, origin: str, to: str, digest: Digest, *, child: bool = False) -> Stored:
        found = self.read(origin, digest)
        assert found.problems == ()
        reference = parse_place(to) or parse_reference(to)
        return LookasideTarget(self.configuration).store(reference, digest, found.found, child=child)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    for program in ("skopeo", "gpg"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    if DOCKER_REGISTRY is None:
        leave_out("docker-registry is not installed")
    with TemporaryDirectory() as name, docker_registry(Path(name) / "registry") as host:
        home = Path(name) / "home"
        for folder in ("gnupg", "run", "signed", ".config/containers/registries.d"):
            (home / folder).mkdir(parents=True, mode=0o700)
        made = Stage(host, home, home / "key.gpg")
        with served(home / "signed") as url:
            (home / ".config/containers/registries.d/tests.yaml").write_text(f"""\
docker:
  {host}/team:
    lookaside: {url}
    lookaside-staging: file://{home}/signed
  {host}/copies:
    lookaside: file://{home}/copies
""")
            made.must("gpg", "--batch", "--passphrase", "", "--quick-generate-key", UID, "rsa2048", "sign", "never")
            made.must("gpg", "--batch", "--output", str(made.key), "--export", UID)
            fill(made)
            yield made
            made.run("gpgconf", "--kill", "gpg-agent")


def fill(stage: Stage) -> None:
    """Images and an index, signed on their way from `plain` to `team`."""
    children: list[dict[str, Any]] = []
    for architecture in ("amd64", "arm64"):
        tar = tar_of({"etc/os-release": b"ID=debian\n", "architecture": architecture.encode()})
        config = {"architecture": architecture}
        pushed = push_image(stage.host, "plain/app", architecture, [tar], config)
        size = len(json.dumps(pushed["manifest"]).encode())
        platform = {"os": "linux", "architecture": architecture}
        media_type = pushed["manifest"]["mediaType"]
        children.append({"mediaType": media_type, "digest": pushed["digest"], "size": size, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    push_manifest(stage.host, "plain/app", "many", json.dumps(index).encode(), INDEX)
    plain, team = f"docker://{stage.host}/plain", f"docker://{stage.host}/team"
    done = stage.skopeo_copy("--sign-by", UID, f"{plain}/app:amd64", f"{team}/app:1")
    assert done.returncode == 0, done.stderr
    done = stage.skopeo_copy("--all", "--sign-by", UID, f"{plain}/app:many", f"{team}/many:1")
    assert done.returncode == 0, done.stderr


def test_what_skopeo_wrote_is_read_over_http_and_from_its_folder(stage: Stage) -> None:
    digest = stage.digest("team/app:1")
    found = stage.read(f"{stage.host}/team/app:1", digest)
    path = stage.home / "signed" / f"team/app@sha256={digest.encoded}" / "signature-1"
    assert (found.found, found.problems) == ((path.read_bytes(),), ())
    assert found.where.startswith("http://127.0.0.1:")
    assert stage.read(f"{stage.host}/plain/app:amd64", digest).found == ()


def remapped(stage: Stage, place: str) -> Path:
    """What lies below `copies/PLACE` must be signed as what lies below `team`: containers-policy.json(5)."""
    identity = {"type": "remapIdentity", "prefix": f"{stage.host}/copies/{place}", "signedPrefix": f"{stage.host}/team"}
    return stage.policy(f"policy-{place}", "docker", stage.host, identity)


def test_skopeo_accepts_what_was_carried_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    name = f"{stage.host}/copies/skopeo/app:1"
    policy = remapped(stage, "skopeo")
    copied = stage.skopeo_copy("--remove-signatures", f"docker://{stage.host}/team/app:1", f"docker://{name}")
    assert copied.returncode == 0, copied.stderr
    refused = stage.skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/before", policy=policy)
    assert refused.returncode != 0
    assert "A signature was required, but no signature exists" in refused.stderr

    digest = stage.digest("copies/skopeo/app:1")
    stored = stage.carry(f"{stage.host}/team/app:1", name, digest)
    folder = stage.home / "copies" / f"copies/skopeo/app@sha256={digest.encoded}"
    assert stored == Stored(1, 0, str(folder))
    accepted = stage.skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/after", policy=policy)
    assert accepted.returncode == 0, accepted.stderr
    assert stage.carry(f"{stage.host}/team/app:1", name, digest) == Stored(0, 1, str(folder))


def test_podman_accepts_what_was_carried_and_nothing_else(stage: Stage) -> None:
    if shutil.which("podman") is None:
        leave_out("podman is not installed")
    origin, name = f"{stage.host}/team/app:1", f"{stage.host}/copies/podman/app:1"
    assert stage.skopeo_copy("--remove-signatures", f"docker://{origin}", f"docker://{name}").returncode == 0
    with TemporaryDirectory(prefix="p") as folder:  # podman wants a short path
        storage = ("--root", f"{folder}/r", "--runroot", f"{folder}/rr", "--storage-driver", "vfs")
        policy = str(remapped(stage, "podman"))
        pull = ("podman", *storage, "pull", "--tls-verify=false", "--signature-policy", policy, name)
        refused = stage.run(*pull)
        assert refused.returncode != 0
        assert "no signature exists" in refused.stderr
        assert stage.carry(origin, name, stage.digest("copies/podman/app:1")).written == 1
        accepted = stage.run(*pull)
        assert accepted.returncode == 0, accepted.stderr


def test_another_keys_signature_is_carried_and_not_accepted(stage: Stage, tmp_path: Path) -> None:
    """What is carried is not judged: it stays what it was."""
    stranger = "Stranger <stranger@other.example>"
    stage.must("gpg", "--batch", "--passphrase", "", "--quick-generate-key", stranger, "rsa2048", "sign", "never")
    signing = ("--sign-by", stranger, "--sign-identity", f"{stage.host}/team/app:1")
    signed = stage.skopeo_copy(*signing, f"docker://{stage.host}/plain/app:amd64", f"docker://{stage.host}/team/odd:1")
    assert signed.returncode == 0, signed.stderr
    name = f"{stage.host}/copies/odd/app:1"
    copied = stage.skopeo_copy("--remove-signatures", f"docker://{stage.host}/team/odd:1", f"docker://{name}")
    assert copied.returncode == 0, copied.stderr
    digest, policy = stage.digest("copies/odd/app:1"), remapped(stage, "odd")
    assert stage.carry(f"{stage.host}/team/odd:1", name, digest).written == 1
    refused = stage.skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/x", policy=policy)
    assert refused.returncode != 0
    assert "Invalid GPG signature" in refused.stderr
    # the right one beside it is enough: containers-policy.json(5) § signedBy
    assert stage.carry(f"{stage.host}/team/app:1", name, digest).written == 1
    accepted = stage.skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/y", policy=policy)
    assert accepted.returncode == 0, accepted.stderr


def test_an_index_and_its_children(stage: Stage, tmp_path: Path) -> None:
    """skopeo signs each manifest of an index, and checks each as it copies all of it."""
    name = f"{stage.host}/copies/index:1"
    policy = stage.policy(
        "policy-index", "docker", stage.host, {"type": "exactRepository", "dockerRepository": f"{stage.host}/team/many"}
    )
    origin = f"{stage.host}/team/many:1"
    assert stage.skopeo_copy("--all", "--remove-signatures", f"docker://{origin}", f"docker://{name}").returncode == 0
    index = json.loads(stage.must("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    digests = [stage.digest("copies/index:1"), *(Digest(each["digest"]) for each in index["manifests"])]
    carried = [stage.carry(origin, name, digest, child=digest != digests[0]).written for digest in digests]
    assert carried[0] == 1
    accepted = stage.skopeo_copy("--all", f"docker://{name}", f"dir:{tmp_path}/after", policy=policy)
    assert accepted.returncode == 0, accepted.stderr
    # and what skopeo has put beside the children in its folder is what we read there
    for digest, written in zip(digests, carried, strict=True):
        there = stage.read(f"dir:{tmp_path}/after", digest)
        assert there.found == stage.read(origin, digest).found
        assert len(there.found) == written


def test_folders_of_skopeo(stage: Stage, tmp_path: Path) -> None:
    policy = stage.policy(
        "policy-dir", "dir", "", {"type": "exactReference", "dockerReference": f"{stage.host}/team/app:1"}
    )
    digest = stage.digest("team/app:1")
    origin = f"docker://{stage.host}/team/app:1"
    assert stage.skopeo_copy("--remove-signatures", origin, f"dir:{tmp_path}/image").returncode == 0
    words = (f"dir:{tmp_path}/image", f"dir:{tmp_path}/copy")
    assert stage.skopeo_copy(*words, policy=policy).returncode != 0
    stored = stage.carry(f"{stage.host}/team/app:1", f"dir:{tmp_path}/image", digest)
    assert stored == Stored(1, 0, f"{tmp_path}/image")
    accepted = stage.skopeo_copy(*words, policy=policy)
    assert accepted.returncode == 0, accepted.stderr


def receipt_in(file: Path) -> dict[str, Any]:
    (image,) = json.loads(file.read_bytes())["images"]
    receipt: dict[str, Any] = image["receipt"]
    return receipt


def test_affineur_copy_carries_them(stage: Stage, tmp_path: Path) -> None:
    """The index's and its children's, before the tag; what is copied is accepted as what was signed, by skopeo."""
    name, receipt = f"{stage.host}/copies/whole:1", tmp_path / "receipt.json"
    identity = {"type": "exactRepository", "dockerRepository": f"{stage.host}/team/many"}
    policy = stage.policy("policy-whole", "docker", stage.host, identity)
    copying = ("copy", "--receipt", str(receipt), f"{stage.host}/team/many:1", name)
    done = affineur(stage.home, *copying)
    assert (done.code, done.err) == (0, "")
    written = receipt_in(receipt)
    carried = [each for each in written["carried"] if each["found_by"] == "lookaside"]
    assert {each["subject"] for each in carried} == {each["digest"] for each in written["manifests"]}
    for each in carried:
        (signature,) = stage.read(name, Digest(each["subject"])).found
        assert Digest.of(signature) == each["digest"]
    assert written["not_carried"] == written["unassessed"] == []
    accepted = stage.skopeo_copy("--all", f"docker://{name}", f"dir:{tmp_path}/after", policy=policy)
    assert accepted.returncode == 0, accepted.stderr
    assert affineur(stage.home, *copying).code == 0
    assert all(len(stage.read(name, Digest(each["subject"])).found) == 1 for each in carried), "not twice"

    bare = f"{stage.host}/copies/bare:1"
    assert affineur(stage.home, "copy", "--no-referrers", f"{stage.host}/team/many:1", bare).code == 0
    folders = [path.name for path in (stage.home / "copies" / "copies").iterdir()]
    assert [folder for folder in folders if folder.startswith("bare")] == []


def test_affineur_copy_to_a_folder_of_skopeo(stage: Stage, tmp_path: Path) -> None:
    policy = stage.policy(
        "policy-to-dir", "dir", "", {"type": "exactReference", "dockerReference": f"{stage.host}/team/app:1"}
    )
    done = affineur(stage.home, "copy", f"{stage.host}/team/app:1", f"dir:{tmp_path}/image")
    assert done.code == 0, done.err
    assert "a GPG signature" in done.out
    accepted = stage.skopeo_copy(f"dir:{tmp_path}/image", f"dir:{tmp_path}/copy", policy=policy)
    assert accepted.returncode == 0, accepted.stderr
    # from there into a registry again, and another image in its place: its signatures do not stay
    back = affineur(stage.home, "copy", f"dir:{tmp_path}/image", f"{stage.host}/copies/back:1")
    assert back.code == 0, back.err
    assert len(stage.read(f"{stage.host}/copies/back:1", stage.digest("team/app:1")).found) == 1
    assert affineur(stage.home, "copy", f"{stage.host}/plain/app:arm64", f"dir:{tmp_path}/image").code == 0
    assert not list((tmp_path / "image").glob("*signature*"))


def test_affineur_copy_says_what_could_not_be_carried(stage: Stage, tmp_path: Path) -> None:
    name, receipt = f"{stage.host}/nowhere/app:1", tmp_path / "receipt.json"
    done = affineur(stage.home, "copy", "--receipt", str(receipt), f"{stage.host}/team/app:1", name)
    assert done.code == 0, done.err
    digest = stage.digest("nowhere/app:1")
    folder = stage.home / ".config/containers/registries.d"
    assert receipt_in(receipt)["not_carried"] == [
        {
            "what": f"a GPG signature of {digest}",
            "why": f"registries.d names no lookaside-staging for {stage.host}/nowhere/app;"
            f' write `docker: {{"{stage.host}/nowhere/app": {{lookaside-staging: file:///FOLDER}}}}`'
            f" into {folder}/{stage.host.replace(':', '-')}.yaml",
        }
    ]
    assert "no lookaside-staging" in " ".join(done.out.split())
    done = affineur(stage.home, "copy", f"{stage.host}/team/app:1", f"oci:{tmp_path}/layout:1")
    assert done.code == 0
    assert "oci: has no place for signatures" in " ".join(done.out.split())


def test_a_lookaside_that_does_not_answer_is_told_and_the_copy_done(stage: Stage, tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = home / ".config/containers/registries.d"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(f"default-docker: {{lookaside: 'http://127.0.0.1:{free_port()}'}}")
    done = affineur(home, "copy", f"{stage.host}/team/many:1", f"oci:{tmp_path}/layout:1")
    assert done.code == 3, (done.out, done.err)
    page = " ".join(done.out.split())
    assert "Could not be told" in page
    assert page.count("signatures of sha256:") == 3
    assert stage.run("skopeo", "inspect", "--raw", f"oci:{tmp_path}/layout:1").returncode == 0


@pytest.mark.parametrize(
    ("sections", "place"),
    [
        ({"HOST/team": "A"}, "A"),
        ({"HOST/team/app:1": "A", "HOST/team/app": "B", "HOST/team": "C", "HOST": "D", "": "E"}, "A"),
        ({"HOST/team/app": "B", "HOST/team": "C", "": "E"}, "B"),
        ({"HOST/team/app:2": "A", "HOST": "D", "": "E"}, "D"),
        ({"*.0.0.1": "A", "": "E"}, "A"),
        ({"HOST/tea": "A", "": "E"}, "E"),
        ({"HOST/team": "", "HOST": "D"}, "D"),
    ],
)
def test_the_section_that_counts_is_the_one_that_skopeo_takes(
    stage: Stage, tmp_path: Path, sections: dict[str, str], place: str
) -> None:
    text = "docker:\n"
    for scope, name in sections.items():
        line = f"lookaside-staging: file://{tmp_path}/{name}" if name else "use-sigstore-attachments: false"
        if scope:
            text += f"  '{scope.replace('HOST', stage.host)}':\n    {line}\n"
        else:
            text = f"default-docker:\n  {line}\n" + text
    folder = tmp_path / "registries.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(text)
    words = ("--sign-by", UID, "--dest-tls-verify=false", "--src-tls-verify=false")
    target = f"{stage.host}/team/app:1"
    done = stage.run(
        "skopeo", "--insecure-policy", "--registries.d", str(folder), "copy", *words,
        f"docker://{stage.host}/plain/app:amd64", f"docker://{target}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in tmp_path.iterdir() if path.name != "registries.d")
    found = RegistriesD.read({"HOME": str(stage.home)}, stage.home, 1000, folder).writing(parse_reference(target))
    assert found is not None
    assert (written, found.url) == ([place], f"file://{tmp_path}/{place}")
