"""`affineur copy` between two docker-registry servers while one thing goes wrong: fault by fault.

Many at once, and the program killed anywhere, are in test_fault_campaign_1 and _2.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from affineur.errors import DigestMismatch, Unreachable
from affineur.http.client import Client
from affineur.move.copy import copy
from affineur.oci.reference import parse_reference
from affineur.source.registry import RegistrySource
from affineur.target.registry import RegistryTarget
from support.copied import REPOSITORY, Ran, Registries, copied, missing, named, receipt_of, registries
from support.docker_registry import push_image
from support.faulty_proxy import Fault, FaultyProxy
from support.pushing import PushableRegistry

pytestmark = pytest.mark.system
_numbers = count()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    """For all of this file; each test has a repository of its own."""
    with registries(tmp_path_factory.mktemp("registries")) as found:
        yield found


@dataclass
class Way:
    """From the source to a new repository, each through a proxy."""

    both: Registries
    source: FaultyProxy
    target: FaultyProxy
    home: Path
    repository: str
    process: subprocess.Popen[str] | None = None

    def kill(self) -> None:
        """The program, by SIGKILL."""
        assert self.process is not None
        self.process.kill()

    def go(self, *words: str) -> Ran:
        """Copy."""

        def started(process: subprocess.Popen[str]) -> None:
            self.process = process

        target = f"{self.target.host}/{self.repository}:1"
        return copied(self.home, f"{self.source.host}/{REPOSITORY}:1", target, *words, started=started)

    def tag(self) -> str | None:
        """What it names at the target."""
        return named(self.both.target, self.repository, "1")

    def missing(self) -> list[str]:
        """At the target."""
        return missing(self.both.image, self.both.target, self.repository)

    def account(self) -> str:
        """For a message."""
        return f"{self.source.account()}\n{self.target.account()}"

    def ends_well(self) -> Ran:
        """One call copies everything."""
        ran = self.go()
        assert (ran.code, ran.said) == (0, []), f"{ran}\n{self.account()}"
        assert self.missing() == [], self.account()
        return ran

    def ends(self, code: int) -> str:
        """One call ends with a clear error, and the tag stays as it was; the next one copies everything."""
        before = self.tag()
        ran = self.go()
        assert ran.code == code, f"{ran}\n{self.account()}"
        assert ran.clear_error, ran
        assert self.tag() == before
        self.source.heal()
        self.target.heal()
        self.ends_well()
        return ran.said[0]


@pytest.fixture(name="way")
def _way(both: Registries, tmp_path: Path) -> Iterator[Way]:
    with ExitStack() as open_ones:
        source = open_ones.enter_context(FaultyProxy(both.source))
        ways: list[Way] = []
        target = open_ones.enter_context(FaultyProxy(both.target, told=lambda: ways[0].kill()))
        ways.append(Way(both, source, target, tmp_path, f"way/n{next(_numbers)}"))
        yield ways[0]


def _largest(both: Registries) -> tuple[str, int]:
    digest, content = max(both.image.blobs.items(), key=lambda each: len(each[1]))
    return digest, len(content)


def _all_bytes(both: Registries) -> int:
    return sum(len(content) for content in both.image.blobs.values())


@pytest.mark.parametrize("kind", ["cut", "reset"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_download_that_breaks_goes_on_where_it_stopped(way: Way, kind: str, share: float) -> None:
    digest, size = _largest(way.both)
    way.source.plan([Fault("reset" if kind == "reset" else "cut", "GET", f"/blobs/{digest}", share=share)])
    way.ends_well()
    assert len(way.source.struck) == 1
    assert way.source.requests.count(f"GET /v2/{REPOSITORY}/blobs/{digest}") == 2
    if kind == "cut":  # an RST takes along what is on its way
        assert way.source.carried["answer"] < _all_bytes(way.both) + 0.3 * size


def test_a_source_without_ranges(way: Way) -> None:
    digest, _ = _largest(way.both)
    blob = f"/blobs/{digest}"
    way.source.plan([Fault("cut", "GET", blob, share=0.4), Fault("whole", "GET", blob, times=-1)])
    way.ends_well()


@pytest.mark.parametrize("where", ["GET /manifests/1", "GET /manifests/sha256:", "GET /referrers/", "GET /tags/list"])
@pytest.mark.parametrize("in_head", [True, False])
def test_a_document_of_the_source_that_breaks_is_asked_for_again(way: Way, where: str, in_head: bool) -> None:
    method, path = where.split(" ")
    way.source.plan([Fault("cut", method, path, in_head=in_head, times=2)])
    way.ends_well()
    assert len(way.source.struck) == 2


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(("status", "retry_after"), [(429, "1"), (429, "0"), (500, ""), (502, "")])
def test_answers_that_pass(way: Way, side: str, status: int, retry_after: str) -> None:
    proxy = way.source if side == "source" else way.target
    methods = ("GET",) if side == "source" else ("HEAD", "GET", "POST", "PUT")
    proxy.plan([Fault("answer", method, skip=1, status=status, retry_after=retry_after) for method in methods])
    way.ends_well()
    assert len(proxy.struck) == len(methods)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_answer_before_the_body_was_read(way: Way, method: str) -> None:
    way.target.plan([Fault("answer", method, "/uploads/", status=500, early=True, times=2)])
    way.ends_well()


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("status", [429, 500, 502])
def test_answers_that_do_not_pass(way: Way, side: str, status: int) -> None:
    proxy = way.source if side == "source" else way.target
    path = "/blobs/sha256" if side == "source" else "/manifests/sha256:"
    proxy.plan([Fault("answer", path=path, status=status, retry_after="0", times=-1)])
    said = way.ends(4)
    assert str(status) in said
    assert proxy.host in said


def test_a_registry_that_asks_for_an_hour(way: Way) -> None:
    way.target.plan([Fault("answer", "POST", status=429, retry_after="3600", times=-1)])
    assert "3600" in way.ends(4)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_an_upload_that_breaks(way: Way, kind: str, share: float) -> None:
    """docker-registry 2.8 loses a session that was cut within a body: another one is begun."""
    fault = Fault("reset" if kind == "reset" else "cut", "PUT", "/uploads/", side="request", share=share)
    way.target.plan([fault])
    way.ends_well()
    assert len(way.target.struck) == 1


def test_an_upload_goes_on_where_the_registry_says_that_it_stopped(way: Way) -> None:
    _, size = _largest(way.both)
    with PushableRegistry() as registry, FaultyProxy(registry.host) as proxy:
        proxy.plan([Fault("cut", "PUT", "/uploads/", side="request", share=0.6)])
        way.target = proxy
        ran = way.go("--receipt", str(way.home / "receipt.json"))
        assert (ran.code, ran.said) == (0, []), f"{ran}\n{way.account()}"
        assert missing(way.both.image, registry.host, way.repository) == []
        assert len(proxy.struck) == 1
        ranges = [headers["Content-Range"] for headers in registry.seen_headers if "Content-Range" in headers]
        assert len(ranges) == 1
        assert ranges[0].endswith(f"-{size - 1}") or size > 1_000_000
        assert proxy.carried["request"] < _all_bytes(way.both) + 0.2 * size  # once, and heads
        assert registry.sessions == {}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_upload_whose_session_is_lost(way: Way, method: str) -> None:
    cut = Fault("cut", "PUT", "/uploads/", side="request", share=0.5)
    way.target.plan([cut, Fault("forget", method, "/uploads/", skip=int(method == "PUT"))])
    way.ends_well()
    assert len(way.target.lost) == 1


@pytest.mark.parametrize("path", ["/uploads/", "/manifests/sha256:", "/manifests/1", "/manifests/sha256-"])
def test_an_answer_that_is_lost_though_the_work_was_done(way: Way, path: str) -> None:
    way.target.plan([Fault("cut", "PUT", path, in_head=True, share=0.0)])
    way.ends_well()
    assert len(way.target.struck) == 1


def test_a_bit_that_changes_in_a_blob(way: Way) -> None:
    digest, _ = _largest(way.both)
    way.source.plan([Fault("change", "GET", f"/blobs/{digest}", share=0.7)])
    said = way.ends(5)
    assert digest in said


@pytest.mark.parametrize("path", ["/manifests/1", "/manifests/sha256:"])
def test_a_bit_that_changes_in_a_manifest(way: Way, path: str) -> None:
    way.source.plan([Fault("change", "GET", path, share=0.7, times=-1)])
    way.ends(5)


def test_a_bit_that_changes_on_the_way_to_the_target(way: Way) -> None:
    way.target.plan([Fault("change", "PUT", "/uploads/", side="request", share=0.7)])
    way.ends_well()  # the registry said so, and it was sent again
    assert len(way.target.struck) == 1


def test_bits_that_always_change_on_the_way_to_the_target(way: Way) -> None:
    """In this process, where nobody rests between the attempts."""
    way.target.plan([Fault("change", "PUT", "/uploads/", side="request", share=0.7, times=-1)])
    with pytest.raises(DigestMismatch, match="other bytes reached it"):
        _moved(way, sleep=lambda _: None)
    assert way.tag() is None


def _within(both: Registries, words: bytes) -> float:
    """The share of a fault that hits these words of the index."""
    index = both.image.manifests[both.image.digest]
    return (index.index(words) + 0.5) / len(index)


def test_a_manifest_that_becomes_another_on_the_way_to_its_tag(way: Way) -> None:
    """No registry can tell: the tag names something else, until it is set again."""
    share = _within(way.both, b"arm64")
    way.target.plan([Fault("change", "PUT", "/manifests/1", side="request", share=share)])
    way.ends_well()
    assert len(way.target.struck) == 1


@pytest.mark.parametrize("path", ["/manifests/1", "/manifests/sha256:", "/blobs/"])
def test_an_answer_that_is_short_and_looks_whole(way: Way, path: str) -> None:
    way.source.plan([Fault("truncate", "GET", path, share=0.7, times=-1)])
    way.ends(5)


@pytest.mark.parametrize("side", ["source", "target"])
def test_connections_that_are_refused(way: Way, side: str) -> None:
    proxy = way.source if side == "source" else way.target
    proxy.plan([Fault("refuse", skip=3, times=2)])
    way.ends_well()


@pytest.mark.parametrize("side", ["source", "target"])
def test_nobody_there(way: Way, side: str) -> None:
    proxy = way.source if side == "source" else way.target
    proxy.plan([Fault("refuse", times=-1)])
    assert proxy.host.partition(":")[2] in way.ends(4)


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_stall(way: Way, side: str, closes: bool) -> None:
    proxy = way.source if side == "source" else way.target
    where = ("GET", "/blobs/") if side == "source" else ("PUT", "/uploads/")
    towards = "answer" if side == "source" else "request"
    proxy.plan([Fault("stall", *where, side=towards, seconds=0.5, closes=closes, share=0.5)])  # type: ignore[arg-type]
    way.ends_well()
    assert len(proxy.struck) == 1


@pytest.mark.parametrize("fault", [
    Fault("stall", "GET", "/blobs/", seconds=60, share=0.5),
    Fault("stall", "PUT", "/uploads/", side="request", seconds=60, share=0.5),
    Fault("stall", "PUT", "/uploads/", seconds=60, in_head=True, share=0.0),
], ids=["download", "upload", "answer of an upload"])  # fmt: skip
def test_a_stall_that_does_not_end_is_not_waited_for(way: Way, fault: Fault) -> None:
    """In this process, where the client's patience can be half a second."""
    way.source.plan([fault] if fault.method == "GET" else [])
    way.target.plan([fault] if fault.method == "PUT" else [])
    _moved(way)
    assert way.missing() == [], way.account()
    assert len(way.source.struck + way.target.struck) == 1


def test_a_target_that_stalls_always(way: Way) -> None:
    way.target.plan([Fault("stall", "PUT", "/manifests/", seconds=60, in_head=True, share=0.0, times=-1)])
    with pytest.raises(Unreachable, match="no answer in time") as caught:
        _moved(way)
    assert way.target.host in str(caught.value)
    assert way.tag() is None
    way.target.heal()
    way.ends_well()


def _moved(way: Way, sleep: Callable[[float], object] = time.sleep) -> None:
    with Client(environment={}, read_s=0.5) as client:
        source = RegistrySource(parse_reference(f"{way.source.host}/{REPOSITORY}:1"), client)
        target = RegistryTarget(parse_reference(f"{way.target.host}/{way.repository}:1"), client, sleep=sleep)
        copy(source, target)


def test_what_was_there_stays_under_the_tag_until_all_is_there(way: Way) -> None:
    old = push_image(way.both.target, way.repository, "1", [b""])["digest"]
    way.target.plan([Fault("answer", "PUT", "/manifests/sha256:", skip=2, status=500, times=-1)])
    ran = way.go()
    assert (ran.code, way.tag()) == (4, old)
    way.target.heal()
    way.ends_well()


@pytest.mark.parametrize(("method", "path", "skip"), [
    ("POST", "/uploads/", 0), ("PUT", "/uploads/", 0), ("PUT", "/uploads/", 5), ("PUT", "/manifests/sha256:", 0),
    *(("PUT", "/manifests/sha256-", skip) for skip in range(3)),  # two lists of referrers, and cosign's tag
    ("PUT", "/manifests/1", 0), ("HEAD", "/manifests/1", 1),
])  # fmt: skip
def test_killed_and_called_again(way: Way, method: str, path: str, skip: int) -> None:
    way.target.plan([Fault("tell", method, path, side="request", in_head=True, skip=skip, closes=True)])
    ran = way.go()
    assert ran.code == -9, f"{ran}\n{way.account()}"
    assert way.tag() in (None, way.both.image.digest)
    if way.tag():
        assert way.missing() == []
    way.target.heal()
    way.ends_well()


def test_killed_within_an_upload_the_next_call_goes_on_there(way: Way) -> None:
    digest, size = _largest(way.both)
    with PushableRegistry() as registry:
        with FaultyProxy(registry.host, told=way.kill) as proxy:
            # cut as well: what the system has taken of it when the program is killed would still be sent
            path = f"digest={digest.replace(':', '%3A')}"
            proxy.plan([Fault("tell", "PUT", path, side="request", share=0.8, closes=True)])
            way.target = proxy
            assert way.go().code == -9
            proxy.heal()
            _wait_for(lambda: _arrived(registry) > 0.5 * size)
            assert _arrived(registry) < size
            before = proxy.carried["request"]
            ran = way.go("--receipt", str(way.home / "receipt.json"))
            assert (ran.code, ran.said) == (0, []), f"{ran}\n{way.account()}"
            sent = proxy.carried["request"] - before
        assert missing(way.both.image, registry.host, way.repository) == []
    (found,) = (each for each in receipt_of(way.home / "receipt.json")["blobs"] if each["digest"] == digest)
    assert found["how"] == "resumed", json.dumps(found)
    assert sent < _all_bytes(way.both) - 0.5 * size + 200_000


def _arrived(registry: PushableRegistry) -> int:
    return max(len(session.content) for session in registry.sessions.values())


def _wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
