"""Signatures beside the registry: containers/image, docs/signature-protocols.md. Real writers: tests/system."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from affineur.http.client import Client
from affineur.oci.digest import Digest
from affineur.oci.place import parse_place
from affineur.oci.reference import parse_reference
from affineur.source import lookaside
from affineur.source.configuration.registriesd import RegistriesD
from affineur.source.lookaside import LookasideSource, Signatures
from support.places import hex_of, write_dir
from support.raw_server import RawServer
from support.registry import Answer, Registry, tar_of

DIGEST = Digest("sha256:" + "ab" * 32)
FOLDER = "team/app@sha256=" + "ab" * 32
ONE, TWO = b"\x90\r\x03one", b"\xc4\x0d\x03two"
"""RFC 9580 § 4.2: one-pass signatures in the old and the new format."""
REFERENCE = parse_reference("registry.example/team/app:1")

Make = Callable[[str], LookasideSource]


@pytest.fixture
def made(tmp_path: Path, client: Client) -> Make:
    def make(url: str) -> LookasideSource:
        folder = tmp_path / "registries.d"
        folder.mkdir()
        (folder / "a.yaml").write_text(f"default-docker: {{lookaside: '{url}'}}")
        return LookasideSource(RegistriesD.read({}, tmp_path, 1000, folder), client)

    return make


def served(registry: Registry, *signatures: bytes, path: str = f"/base/{FOLDER}") -> None:
    for number, signature in enumerate(signatures, 1):
        registry.misbehave[f"{path}/signature-{number}"] = Answer(body=signature)


def found(made: LookasideSource) -> Signatures:
    return made.signatures(REFERENCE, DIGEST)


def why(signatures: Signatures) -> str:
    (problem,) = signatures.problems
    assert problem.what == f"signatures of {DIGEST}"
    return problem.why


def test_all_are_read_until_one_is_missing(registry: Registry, made: Make) -> None:
    served(registry, ONE, TWO)
    registry.misbehave[f"/base/{FOLDER}/signature-4"] = Answer(body=ONE)
    answer = found(made(f"{registry.url}/base/"))
    assert answer == Signatures((ONE, TWO), f"{registry.url}/base/{FOLDER}")
    assert [path for _, path in registry.requests] == [f"/base/{FOLDER}/signature-{number}" for number in (1, 2, 3)]


def test_a_query_stays_at_the_end_and_is_not_shown(registry: Registry, made: Make) -> None:
    registry.misbehave[f"/base/{FOLDER}/signature-1"] = Answer(status=403)
    answer = found(made(f"{registry.url}/base?sig=secret"))
    assert registry.requests == [("GET", f"/base/{FOLDER}/signature-1?sig=secret")]
    assert answer.where == f"{registry.url}/base/{FOLDER}?…"
    assert "secret" not in why(answer)


def test_none_is_an_answer(registry: Registry, made: Make) -> None:
    assert found(made(registry.url)) == Signatures((), f"{registry.url}/{FOLDER}")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=403), "403"),
        (Answer(status=500), "500"),
        (Answer(status=204), "204"),
        (Answer(body=b"<html>not found</html>"), "is no signature"),
        (Answer(body=b"-----BEGIN PGP MESSAGE-----"), "is no signature"),
        (Answer(body=b""), "is no signature"),
        (Answer(302, [("Location", "http://169.254.169.254/latest")]), "link-local"),
        (Answer(302, [("Location", "file:///etc/passwd")]), "no http or https URL"),
    ],
)
def test_what_is_no_answer_is_told(registry: Registry, made: Make, answer: Answer, said: str) -> None:
    served(registry, ONE)
    registry.misbehave[f"/base/{FOLDER}/signature-2"] = answer
    signatures = found(made(f"{registry.url}/base"))
    assert signatures.found == (ONE,)
    assert said in why(signatures)


def test_an_endless_signature_is_left(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookaside, "MAX_SIGNATURE_BYTES", 1000)

    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"\x90" * 500

    with RawServer([endless()]) as server:
        assert "1000" in why(found(made(server.url)))


def test_a_server_with_an_answer_for_every_number_is_left(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookaside, "MAX_SIGNATURES", 3)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x90four"
    with RawServer([answer] * 9) as server:
        signatures = found(made(server.url))
        assert len(server.requests) == 4
    assert len(signatures.found) == 3
    assert "more than 3 signatures" in why(signatures)


def test_together_they_are_bounded(registry: Registry, made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookaside, "MAX_TOTAL_BYTES", 9)
    served(registry, ONE, TWO)
    signatures = found(made(f"{registry.url}/base"))
    assert signatures.found == (ONE,)
    assert "9 bytes" in why(signatures)


def test_a_place_that_does_not_answer_is_asked_once_in_a_run(made: Make) -> None:
    """An index may have fifty children, and each question several attempts."""
    with RawServer([]) as server:
        source = made(server.url)
        first = found(source)
        assert first.found == ()
        asked = server.connections
        for _ in range(50):
            assert found(source) == first
        assert server.connections == asked


def test_a_slow_place_is_given_up(registry: Registry, made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookaside, "BUDGET_S", 0.15)
    registry.latency_s = 0.1
    served(registry, *[ONE] * 50)
    signatures = found(made(f"{registry.url}/base"))
    assert 1 <= len(signatures.found) <= 2
    assert f"{registry.url}/base: has taken more than" in why(signatures)


def test_a_refusal_is_of_one_image(registry: Registry, made: Make) -> None:
    other = Digest("sha256:" + "cd" * 32)
    registry.misbehave[f"/{FOLDER}/signature-1"] = Answer(status=403)
    served(registry, ONE, path=f"/team/app@sha256={other.encoded}")
    source = made(registry.url)
    assert found(source).problems
    assert source.signatures(REFERENCE, other).found == (ONE,)


def test_a_folder(tmp_path: Path, made: Make) -> None:
    folder = tmp_path / "a b" / FOLDER
    folder.mkdir(parents=True)
    (folder / "signature-1").write_bytes(ONE)
    (folder / "signature-2").symlink_to("signature-1")
    source = made(f"file://{tmp_path}/a%20b")
    assert found(source) == Signatures((ONE, ONE), str(folder))
    os.mkfifo(folder / "signature-3")
    assert "not a file" in why(found(source))
    (folder / "signature-3").unlink()
    (folder / "signature-3").mkdir()
    assert "not a file" in why(found(source))
    (folder / "signature-3").rmdir()
    with (folder / "signature-3").open("wb") as file:
        file.truncate(lookaside.MAX_SIGNATURE_BYTES + 1)
    assert "more than 4194304 bytes" in why(found(source))


def test_no_folder_is_none(tmp_path: Path, made: Make) -> None:
    assert found(made(f"file://{tmp_path}/missing")).found == ()


def test_signatures_in_a_folder_of_skopeo(registry: Registry, tmp_path: Path, made: Make) -> None:
    digest = Digest(registry.push("team/app", "1", [tar_of({"a": b"b"})]))
    folder = write_dir(tmp_path / "image", registry, "team/app", "1")
    (folder / "signature-1").write_bytes(ONE)
    (folder / f"{hex_of(DIGEST)}.signature-1").write_bytes(TWO)
    source = made("https://never.example")
    place = parse_place(f"dir:{folder}")
    assert place is not None
    assert source.signatures(place, digest).found == (ONE,)
    assert source.signatures(place, DIGEST).found == (TWO,)
    (folder / "signature-2").symlink_to("/etc/passwd")
    (problem,) = source.signatures(place, digest).problems
    assert "links are not followed" in problem.why
    (problem,) = source.signatures(place, Digest("blake3:" + "0" * 64)).problems
    assert "cannot be verified" in problem.why
    (folder / "manifest.json").unlink()
    assert source.signatures(place, digest).problems


@pytest.mark.parametrize("place", ["oci:x:1", "oci-archive:x", "docker-archive:x"])
def test_other_places_have_none(made: Make, place: str) -> None:
    reference = parse_place(place)
    assert reference is not None
    assert made("https://never.example").signatures(reference, DIGEST) == Signatures()


@pytest.mark.corpus
def test_real_signatures_are_taken_for_such(corpus: Path, registry: Registry, made: Make) -> None:
    """Those of containers/image's own tests, old and new packet formats among them."""
    folder = corpus / "signatures" / "simple-signing-and-cosign"
    names = ("image", "no-optional-fields", "expired", "subkey", "unknown-key", "unknown-cosign-key")
    signatures = [(folder / f"{name}.signature").read_bytes() for name in names]
    signatures.append((folder / "dir-img-cosign-valid" / "signature-1").read_bytes())
    served(registry, *signatures)
    assert found(made(f"{registry.url}/base")).found == tuple(signatures)
