"""One contract for all four, by stand-ins that say what the tools' documentation shows; real ones: tests/system."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from affineur.engines.containerd import Containerd
from affineur.engines.docker import Docker
from affineur.engines.engine import Access, Engine, EngineFailed, Wanted
from affineur.engines.nerdctl import Nerdctl
from affineur.engines.podman import Podman
from affineur.engines.running import Program
from affineur.oci.digest import Digest
from support.engines import StandIn, docker_image, docker_info, podman_image, podman_info

MANIFEST = b'{"schemaVersion":2}'
DIGEST = Digest.of(MANIFEST)
OTHER = Digest.of(b"other")
LAYERS = ("sha256:" + "a1" * 32, "sha256:" + "b2" * 32)
NAME = "docker.io/library/debian"
WANTED = Wanted(NAME, DIGEST, "linux/amd64", LAYERS, "12")
VERSION = "Client:\n  Version:  1.6.20~ds1\n  Go version: go1.19.8\n\nServer:\n  Version:  1.6.20~ds1\n  UUID: 782e\n"
ROWS = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
PLUGINS = """Type:          io.containerd.content.v1
ID:            content
Exports:      
               root      ROOT/io.containerd.content.v1.content
                            
Type:          io.containerd.snapshotter.v1
ID:            overlayfs
Platforms:     linux/amd64
Exports:      
               root      ROOT/io.containerd.snapshotter.v1.overlayfs
"""  # noqa: W291, W293 - as ctr 1.6 prints it


def row(name: str, digest: str) -> str:
    return f"{ROWS}{name} application/vnd.oci.image.manifest.v1+json {digest} 751.0 B linux/amd64 - \n"


class Case(NamedTuple):
    program: StandIn
    open: Callable[[], Engine]


def has(program: StandIn, name: str, digest: str = DIGEST, layers: tuple[str, ...] = LAYERS) -> None:
    """Have the stand-in say that it has an image under a name."""
    kind = program.path.name
    if kind == "ctr":
        program.say(f'images ls -- name=="{name}"', row(name, digest))
        program.say(f"content get -- {digest}", MANIFEST.decode())
    elif kind == "podman":
        program.say(f"image inspect -- {name}", podman_image(NAME, digest, layers))
    else:
        program.say(f"image inspect -- {name}", docker_image("debian", digest, layers))


@pytest.fixture(params=["podman", "docker", "nerdctl", "ctr"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    program = StandIn(tmp_path, request.param)
    root = str(tmp_path / "graph")
    if request.param == "ctr":
        program.say("version", VERSION)
        program.say("images ls", ROWS)
        program.say("plugins ls --detailed", PLUGINS.replace("ROOT", str(tmp_path)))
        return Case(program, lambda: Containerd(Program(program.path, {}), {}))
    if request.param == "podman":
        program.say("info --format json", podman_info(root))
    else:
        program.say("info --format {{json .}}", docker_info(root if request.param == "docker" else ""))
    program.say("image inspect", status=1, err="Error: no such image")
    kinds: dict[str, Callable[[Program], Engine]] = {"podman": Podman, "docker": Docker, "nerdctl": Nerdctl}
    made = kinds[request.param]
    return Case(program, lambda: made(Program(program.path, {})))


PULLS = {
    "podman": ["pull", "--platform=linux/amd64", "--", WANTED.exact],
    "docker": ["pull", "--platform=linux/amd64", "--", WANTED.exact],
    "nerdctl": ["pull", "--platform=linux/amd64", "--", WANTED.exact],
    "ctr": ["images", "pull", "--platform=linux/amd64", "--", WANTED.exact],
}


def test_the_exact_digest_is_pulled_and_nothing_else(case: Case) -> None:
    case.program.say("pull")
    case.program.say("images pull")
    engine = case.open()
    before = len(case.program.calls)
    engine.pull(WANTED, Access(), lambda _: None)
    assert case.program.calls[before:] == [PULLS[engine.name]]
    assert engine.pull_words(WANTED, Access()) == (engine.name, *PULLS[engine.name])
    assert engine.program == case.program.path


def test_it_says_its_version(case: Case) -> None:
    versions = {"podman": "5.4.2", "docker": "28.2.2", "nerdctl": "28.2.2", "ctr": "1.6.20~ds1"}
    assert case.open().version == versions[case.open().name]


def test_what_landed(case: Case) -> None:
    has(case.program, WANTED.exact)
    landed = case.open().landed(WANTED.exact)
    assert landed is not None
    assert landed.digests == {DIGEST}
    if case.program.path.name != "ctr":
        assert (landed.platform, landed.diff_ids) == ("linux/amd64", LAYERS)


def test_nothing_landed(case: Case) -> None:
    assert case.open().landed(WANTED.exact) is None


def test_the_tag_is_set_after_what_was_looked_at(case: Case) -> None:
    has(case.program, WANTED.exact)
    case.program.say("tag")
    case.program.say("images tag")
    engine = case.open()
    landed = engine.landed(WANTED.exact)
    assert landed is not None
    engine.tag(WANTED, landed)
    expected = {
        "podman": ["tag", "--", "1d" * 32, f"{NAME}:12"],
        "docker": ["tag", "--", "sha256:" + "1d" * 32, f"{NAME}:12"],
        "nerdctl": ["tag", "--", WANTED.exact, f"{NAME}:12"],
        "ctr": ["images", "tag", "--force", "--", WANTED.exact, f"{NAME}:12"],
    }
    assert case.program.calls[-1] == expected[engine.name]


@pytest.mark.parametrize("words", ["image inspect", "images ls"])
@pytest.mark.parametrize("said", ["", "not JSON", "[]", "{}", '[{"Id": 7}]', "[" * 5000, '[{"Id":"a"},{"Id":"b"}]'])
def test_an_answer_that_cannot_be_understood(case: Case, said: str, words: str) -> None:
    case.program.say(words, said)
    engine = case.open()
    if engine.name == "ctr" or words == "images ls":
        assert engine.landed(WANTED.exact) is None
        return
    with pytest.raises(EngineFailed, match=f"^{engine.name} image inspect: "):
        engine.landed(WANTED.exact)


def test_ctr_hashes_what_it_is_given(tmp_path: Path) -> None:
    """A store that has other bytes under the digest than belong there."""
    program = StandIn(tmp_path, "ctr")
    program.say("version", VERSION)
    program.say("images ls", row(WANTED.exact, DIGEST))
    program.say("content get", "other")
    landed = Containerd(Program(program.path, {}), {}).landed(WANTED.exact)
    assert landed is not None
    assert landed.digests == {OTHER}


@pytest.mark.parametrize("digest", ["md5:abc", "sha256:abc", "--help", "blake3:" + "a" * 64])
def test_ctr_and_a_digest_that_is_none(tmp_path: Path, digest: str) -> None:
    program = StandIn(tmp_path, "ctr")
    program.say("version", VERSION)
    program.say("images ls", row(WANTED.exact, digest))
    program.say("content get", "other")
    with pytest.raises(EngineFailed, match="no digest that can be checked"):
        Containerd(Program(program.path, {}), {}).landed(WANTED.exact)


def test_digests_of_other_repositories_do_not_count(tmp_path: Path) -> None:
    """docker keeps one image under all the names by which it was pulled."""
    program = StandIn(tmp_path, "docker")
    program.say("info", docker_info())
    names = [f"debian@{OTHER}", f"registry.example/debian@{DIGEST}", "<none>@<none>", f"docker.io/debian@{OTHER}"]
    program.say("image inspect", docker_image("x", DIGEST, LAYERS, RepoDigests=names))
    landed = Docker(Program(program.path, {})).landed(WANTED.exact)
    assert landed is not None
    assert landed.digests == {OTHER}


ACCESSES = {
    "plain": Access(plain=True),
    "unverified": Access(tls_verify=False),
    "authfile": Access(authfile=Path("/home/me/auth.json")),
    "mapped": Access(mapped=True),
    "configured": Access(configured=True),
}
HANDED_ON = {
    "podman": {
        "plain": ["--tls-verify=false"],
        "unverified": ["--tls-verify=false"],
        "authfile": ["--authfile=/home/me/auth.json"],
        "mapped": "mirrors by URL",
        "configured": [],  # it reads registries.conf itself
    },
    "docker": {
        "plain": [],  # its daemon takes loopback to be such: dockerd, insecure-registries
        "unverified": "--tls-verify=false",
        "authfile": "--authfile",
        "mapped": "mirrors by URL",
        "configured": "registries.conf",
    },
    "nerdctl": {
        "plain": ["--insecure-registry"],
        "unverified": ["--insecure-registry"],
        "authfile": "--authfile",
        "mapped": "mirrors by URL",
        "configured": "registries.conf",
    },
    "ctr": {
        "plain": ["--plain-http"],
        "unverified": ["--skip-verify"],
        "authfile": "--authfile",
        "mapped": "mirrors by URL",
        "configured": "registries.conf",
    },
}
"""What each is told of an access, or (as a text) what it has no option for."""


@pytest.mark.parametrize("which", ACCESSES)
def test_how_the_registry_is_reached_is_handed_on_or_said(case: Case, which: str) -> None:
    engine, access = case.open(), ACCESSES[which]
    expected = HANDED_ON[engine.name][which]
    words = [word for word in engine.pull_words(WANTED, access) if word not in engine.pull_words(WANTED, Access())]
    said = engine.cannot(access)
    if isinstance(expected, str):
        assert words == []
        assert [each.partition(":")[0] for each in said] == [expected]
    else:
        assert (words, list(said)) == (expected, [])


def test_certificates(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    for name in ("ca.crt", "me.cert", "me.key"):
        (folder / name).write_text("")
    engine, access = case.open(), Access(cert_dir=folder)
    words = [word for word in engine.pull_words(WANTED, access) if "cert" in word or "key" in word]
    by_ctr = [f"--tlscacert={folder}/ca.crt", f"--tlscert={folder}/me.cert", f"--tlskey={folder}/me.key"]
    assert words == {"podman": [f"--cert-dir={folder}"], "ctr": by_ctr}.get(engine.name, [])
    assert bool(engine.cannot(access)) is (engine.name in ("docker", "nerdctl"))
    (folder / "other.crt").write_text("")
    if engine.name == "ctr":
        assert len(engine.cannot(access)) == 1
        assert engine.pull_words(WANTED, access) == engine.pull_words(WANTED, Access())


def test_no_platform_is_handed_on_where_the_image_says_none(case: Case) -> None:
    wanted = Wanted(NAME, DIGEST, "", LAYERS)
    assert not any(word.startswith("--platform") for word in case.open().pull_words(wanted, Access()))


def test_where_it_keeps_images(case: Case, tmp_path: Path) -> None:
    storage = case.open().storage()
    if case.program.path.name == "nerdctl":
        assert storage.root is None
        assert "does not say where" in storage.why
        return
    where = tmp_path / ("io.containerd.content.v1.content" if case.program.path.name == "ctr" else "graph")
    assert storage.root == where
    assert storage.temporary == (Path("/var/tmp") if case.program.path.name == "podman" else None)
    assert not storage.copies


def test_storage_of_another_machine_is_not_looked_for_on_this_one(tmp_path: Path) -> None:
    docker, podman = StandIn(tmp_path, "docker"), StandIn(tmp_path, "podman")
    docker.say("info", docker_info("/var/lib/docker") | {"Name": "elsewhere"})
    told = podman_info("/var/lib/containers/storage")
    told["host"]["serviceIsRemote"] = True
    podman.say("info", told)
    assert Docker(Program(docker.path, {})).storage().root is None
    assert Podman(Program(podman.path, {})).storage().root is None


@pytest.mark.parametrize("odd", [None, 7, [], {"graphRoot": 7}, {"graphRoot": ["/"]}, {"graphRoot": ""}])
def test_podman_says_odd_things_of_its_storage(tmp_path: Path, odd: object) -> None:
    podman = StandIn(tmp_path, "podman")
    podman.say("info", podman_info() | {"store": odd})
    assert Podman(Program(podman.path, {})).storage().root is None


def test_layers_that_are_there(case: Case) -> None:
    blobs = ["sha256:" + "c3" * 32, "sha256:" + "d4" * 32]
    case.program.say("image ls --quiet --no-trunc", "sha256:" + "1d" * 32 + "\n" + "sha256:" + "2e" * 32 + "\n")
    one = docker_image("a", OTHER, [LAYERS[0], "sha256:" + "ff" * 32])
    case.program.say("image inspect -- sha256:" + "1d" * 32, one + docker_image("b", OTHER, [LAYERS[1]]))
    case.program.say("content ls --quiet", f"{blobs[0]}\n{OTHER}\n")
    assert case.open().layers_there(LAYERS, blobs) == {0}


@pytest.mark.parametrize("listed", ["", "--all\n", "x\n" * 1000 + "".join(f"{n}\n" for n in range(400))])
def test_layers_are_not_known_to_be_there(case: Case, listed: str) -> None:
    case.program.say("image ls", listed)
    case.program.say("content ls", status=1)
    assert case.open().layers_there(LAYERS, ["sha256:" + "c3" * 32] * 2) == frozenset()


def test_ctr_shows_each_state_once(tmp_path: Path) -> None:
    program = StandIn(tmp_path, "ctr")
    program.say("version", VERSION)
    table = (
        "layer-sha256:ab: downloading |\x1b[32m++\x1b[0m---| 1.0 KiB/2.0 KiB\nelapsed: 0.1 s total: 0.0 B (0.0 B/s)\n"
    )
    done = "layer-sha256:ab:    done           |\x1b[32m++++\x1b[0m| \nelapsed: 0.2 s total: 0.0 B (0.0 B/s)\n"
    program.say("images pull", table * 50 + done * 3 + "unpacking linux/amd64 sha256:cd...\n")
    shown: list[str] = []
    Containerd(Program(program.path, {}), {}).pull(WANTED, Access(), shown.append)
    assert shown == ["layer-sha256:ab: downloading", "layer-sha256:ab: done", "unpacking linux/amd64 sha256:cd..."]
