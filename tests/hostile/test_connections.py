"""Connections that are dropped: at every byte of a small exchange, at the handshake, with a FIN or a RST."""

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from affineur.errors import Error, SourceError
from affineur.http.client import Client
from affineur.http.retries import MAX_ATTEMPTS
from affineur.oci.reference import parse_reference
from affineur.source.registry import RegistrySource
from support.hostile import BLOBS, MANIFEST, TAGS, Asked, HostileRegistry, Line, reply
from support.hostile_network import Network
from support.hostile_victim import READING, Victim
from support.world import World

Cut = Callable[[Asked, Line], None]


def cut(content: bytes, after: int, reset: bool) -> Cut:
    """So many bytes, and an end."""

    def answer(asked: Asked, line: Line) -> None:
        line.send(content[:after])
        if reset:
            line.reset()

    return answer


@pytest.fixture
def source(registry: HostileRegistry, network: Network) -> RegistrySource:
    """The image's source, without a command around it: there are many bytes."""
    client = Client(connector=network, environment={}, sleep=lambda seconds: None)
    return RegistrySource(parse_reference(f"{registry.host}/team/app:1"), client)


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_manifest_at_every_byte(registry: HostileRegistry, source: RegistrySource, reset: bool) -> None:
    """Tried again a few times, and then an error of the source; never half a document."""
    whole = registry.honest(MANIFEST)
    for after in range(len(whole)):
        registry.forget()
        registry.tricks[MANIFEST] = cut(whole, after, reset)
        with pytest.raises(SourceError):
            source.manifest()
        assert 0 < len(registry.asked) <= MAX_ATTEMPTS + 1, after
    registry.tricks[MANIFEST] = cut(whole, len(whole), reset=False)
    assert source.manifest().content == whole.partition(b"\r\n\r\n")[2]


def test_a_manifest_at_every_byte_and_whole_the_next_time(registry: HostileRegistry, source: RegistrySource) -> None:
    """A connection that broke on the way through the headers is worth another try."""
    whole = registry.honest(MANIFEST)
    head, _, body = whole.partition(b"\r\n\r\n")
    for after in range(len(head)):
        registry.forget()

        def once(asked: Asked, line: Line, after: int = after) -> None:
            line.send(whole[:after] if registry.times(MANIFEST) == 1 else whole)

        registry.tricks[MANIFEST] = once
        assert source.manifest().content == body, after


def test_a_list_of_tags_at_every_byte(registry: HostileRegistry, source: RegistrySource) -> None:
    whole = registry.honest(TAGS)
    for after in range(len(whole)):
        registry.tricks[TAGS] = cut(whole, after, reset=False)
        with pytest.raises(SourceError):
            list(source.tags())


def test_a_blob_at_every_byte(registry: HostileRegistry, source: RegistrySource) -> None:
    """What had begun is taken up where it broke; a registry that does not do that sends it whole, and breaks again."""
    from affineur.image.image import open_image
    from affineur.oci.manifest import Manifest

    opened = open_image(source).manifest
    assert isinstance(opened, Manifest)
    promise = opened.config
    path = f"{BLOBS}{promise.digest}"
    whole = registry.honest(path)
    for after in range(len(whole)):
        registry.forget()
        registry.tricks[path] = cut(whole, after, reset=False)
        with pytest.raises(Error):
            list(source.blob(promise))
        assert len(registry.asked) <= 24, after


@pytest.mark.parametrize("after", [0, 1, 8, 17, 40, 90, 150, 300])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_manifest_through_the_command(victim: Victim, after: int, reset: bool) -> None:
    victim.registry.tricks[MANIFEST] = cut(victim.registry.honest(MANIFEST), after, reset)
    victim.refuse(4, "the connection broke")


@pytest.mark.parametrize("which", ["config", "layer"])
@pytest.mark.parametrize("after", [0, 10, 150])
def test_a_blob_through_the_command(victim: Victim, good: World, which: str, after: int) -> None:
    manifest = victim.registry.image([good.layer()])
    promise = manifest["config"] if which == "config" else manifest["layers"][0]
    path = f"{BLOBS}{promise['digest']}"
    victim.registry.tricks[path] = cut(victim.registry.honest(path), after, reset=False)
    victim.refuse(4, "the connection broke", commands=READING if which == "config" else ("packages", "assess"))


def test_tags_through_the_command(victim: Victim) -> None:
    victim.registry.tricks[TAGS] = cut(victim.registry.honest(TAGS), 60, reset=True)
    victim.refuse(4, "the connection broke", commands=("tags",))
    for outcome in victim.every("inspect"):
        assert outcome.code == 3
        outcome.told("the repository's tags")


class Door:
    """Accepts, and does this with each connection."""

    def __init__(self, treat: Callable[[socket.socket], object]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._treat = treat
        self.came = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.came += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._treat(connection)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


DOORS: dict[str, Callable[[socket.socket], object]] = {
    "closed at once": lambda connection: None,
    "closed after a byte": lambda connection: connection.recv(1),
    "SSH": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "SMTP": lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n"),
    "zeros": lambda connection: connection.sendall(bytes(100_000)),
    "an alert of TLS": lambda connection: connection.sendall(b"\x15\x03\x01\x00\x02\x02\x28"),
    "a handshake of TLS that is none": lambda connection: connection.sendall(b"\x16\x03\x01\xff\xff" + b"x" * 70_000),
    "an echo": lambda connection: connection.sendall(connection.recv(65536)),
    "HTTP/0.9": lambda connection: connection.sendall(b"<html>hello</html>"),
    "an answer before the question": lambda connection: connection.sendall(reply(b"[]") * 5),
}


@pytest.mark.parametrize("treat", DOORS.values(), ids=DOORS)
def test_what_is_no_registry(victim: Victim, treat: Callable[[socket.socket], object]) -> None:
    door = Door(treat)
    try:
        victim.image = f"127.0.0.1:{door.port}/team/app:1"
        victim.refuse((4, 5), commands=("packages", "assess", "tags"))
        assert door.came < 100
    finally:
        door.close()


def test_a_door_that_says_nothing(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked whether it speaks TLS: no answer is not a no."""
    monkeypatch.setattr("affineur.http.schemes.PROBE_S", 0.3)
    done = threading.Event()
    door = Door(lambda connection: done.wait(20))
    try:
        victim.image = f"127.0.0.1:{door.port}/team/app:1"
        victim.logins = ("bearer",)
        victim.refuse(4, "answers neither TLS nor plain HTTP", commands=("packages",))
    finally:
        done.set()
        door.close()
