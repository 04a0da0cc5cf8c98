"""GPG signatures on their way beside an image: when they are there, and what is told where they are not.

Real signatures, and who accepts them: tests/system/test_lookaside.py.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from affineur.errors import SourceError
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.move.copy import Wish, copy
from affineur.move.lookasides import Lookasides
from affineur.move.receipt import Carried, Receipt
from affineur.oci.digest import Digest
from affineur.oci.platform import parse_platform
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registriesd import RegistriesD
from affineur.source.lookaside import LookasideSource
from affineur.source.registry import RegistrySource
from affineur.target.lookaside import LookasideTarget
from affineur.target.registry import RegistryTarget
from support.pushing import PushableRegistry
from support.registry import Answer, tar_of

ONE, TWO = b"\x90\r\x03one", b"\x90\r\x03two"


class Stage:
    """A registry with a signed index at `team/app:1`, whose signatures it serves, and a folder for those of `prod`."""

    def __init__(self, registry: PushableRegistry, client: Client, folder: Path) -> None:
        self.registry, self._client, self.staging = registry, client, folder / "staging"
        made = {
            name: registry.push("team/app", None, [tar_of({"a": name.encode()})], architecture=name)
            for name in ("amd64", "arm64")
        }
        children = [
            {"digest": digest, "platform": {"os": "linux", "architecture": name}} for name, digest in made.items()
        ]
        self.children = [Digest(each) for each in made.values()]
        self.index = Digest(registry.push_index("team/app", "1", children))
        (folder / "a.yaml").write_text(f"""\
docker:
  {registry.host}/team: {{lookaside: {registry.url}/signed}}
  {registry.host}/prod: {{lookaside-staging: 'file://{self.staging}'}}
""")
        self._configuration = RegistriesD.read({}, folder, 1000, folder)

    def sign(self, digest: Digest, *signatures: bytes) -> None:
        for number, signature in enumerate(signatures, 1):
            path = f"/signed/team/app@sha256={digest.encoded}/signature-{number}"
            self.registry.misbehave[path] = Answer(body=signature)

    def copy(self, wish: Wish | None = None, to: str = "prod/app:1") -> Receipt:
        source = RegistrySource(parse_reference(f"{self.registry.host}/team/app:1"), self._client)
        target = RegistryTarget(parse_reference(f"{self.registry.host}/{to}"), self._client)
        lookasides = Lookasides(
            LookasideSource(self._configuration, self._client), LookasideTarget(self._configuration)
        )
        return copy(source, target, wish, lookasides=lookasides)

    def lying(self, digest: Digest, repository: str = "prod/app") -> list[bytes]:
        folder = self.staging / f"{repository}@sha256={digest.encoded}"
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    addresses = AddressPolicy(["127.0.0.0/8"])
    with PushableRegistry() as registry, Client(addresses=addresses, environment={}, attempts=1) as client:
        yield Stage(registry, client, tmp_path)


def test_those_of_the_index_and_of_its_children(stage: Stage) -> None:
    stage.sign(stage.index, ONE, TWO)
    stage.sign(stage.children[1], TWO)
    receipt = stage.copy()
    assert [stage.lying(each) for each in (stage.index, *stage.children)] == [[ONE, TWO], [], [TWO]]
    kind = "a GPG signature"
    expected = {
        Carried(Digest.of(ONE), kind, stage.index, "lookaside"),
        Carried(Digest.of(TWO), kind, stage.index, "lookaside"),
        Carried(Digest.of(TWO), kind, stage.children[1], "lookaside"),
    }
    assert set(receipt.carried) == expected
    assert len(receipt.carried) == 3
    assert (receipt.not_carried, receipt.unassessed) == ((), ())


def test_they_are_there_before_the_tag(stage: Stage) -> None:
    stage.sign(stage.index, ONE)
    seen = []

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        if (method, path) == ("PUT", "/v2/prod/app/manifests/1"):
            seen.append(stage.lying(stage.index))
        return None

    stage.registry.meddle = meddle
    stage.copy()
    assert seen == [[ONE]]


def test_of_one_platform_only_its_own(stage: Stage) -> None:
    stage.sign(stage.index, ONE)
    stage.sign(stage.children[1], TWO)
    receipt = stage.copy(Wish(platforms=(parse_platform("linux/arm64"),)))
    assert receipt.digest == stage.children[1]
    assert [stage.lying(each) for each in (stage.index, *stage.children)] == [[], [], [TWO]]


def test_without_referrers_nobody_is_asked(stage: Stage) -> None:
    stage.sign(stage.index, ONE)
    assert stage.copy(Wish(referrers=False)).carried == ()
    assert not stage.staging.exists()
    assert not any(path.startswith("/signed") for _, path in stage.registry.requests)


def test_what_cannot_be_carried_is_told_by_its_number(stage: Stage) -> None:
    stage.sign(stage.index, ONE, TWO)
    stage.sign(stage.children[0], ONE)
    receipt = stage.copy(to="elsewhere/app:1")
    told = {each.what: each.why for each in receipt.not_carried}
    assert set(told) == {f"2 GPG signatures of {stage.index}", f"a GPG signature of {stage.children[0]}"}
    assert all("names no lookaside-staging" in why for why in told.values())
    assert stage.registry.tags("elsewhere/app") == ["1"]


def test_what_could_not_be_told_is_in_the_receipt(stage: Stage) -> None:
    """Half an answer: what was found comes along, and that there may be more is said."""
    stage.sign(stage.index, ONE)
    stage.registry.misbehave[f"/signed/team/app@sha256={stage.index.encoded}/signature-2"] = Answer(403)
    receipt = stage.copy()
    (gap,) = receipt.unassessed
    assert gap.what == f"signatures of {stage.index}"
    assert stage.lying(stage.index) == [ONE]
    assert stage.registry.tags("prod/app") == ["1"]


def test_a_copy_that_fails_sets_no_tag_and_the_next_one_adds_nothing_twice(stage: Stage) -> None:
    stage.sign(stage.index, ONE)
    refuse = True

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        refused = refuse and (method, path) == ("PUT", "/v2/prod/app/manifests/1")
        return Answer(500, body=json.dumps({}).encode()) if refused else None

    stage.registry.meddle = meddle
    with pytest.raises(SourceError):
        stage.copy()
    assert not stage.registry.tags("prod/app")
    refuse = False
    stage.copy()
    assert stage.lying(stage.index) == [ONE]
