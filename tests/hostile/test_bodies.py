"""Bodies that are too long, too short, endless or slow, and framings that two readers may read in two ways."""

import json
from collections.abc import Callable
from typing import ClassVar

import pytest

from support.hostile import BLOBS, MANIFEST, OCI, TAGS, TOKEN, Asked, HostileRegistry, Line, reply
from support.hostile_victim import READING, Outcome, Victim
from support.world import World

MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
Flood = Callable[[Asked, Line], None]


def manifest_of(victim: Victim, good: World) -> bytes:
    return json.dumps(victim.registry.image([good.layer()])).encode()


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patience of a blink: a second to begin with, and a megabyte each second after it."""
    monkeypatch.setattr("affineur.http.connection.GRACE_S", 0.3)
    monkeypatch.setattr("affineur.http.connection.SLOWEST", MIB)


class TestLength:
    """Content-Length and what comes do not agree."""

    def test_a_manifest_that_ends_too_early(self, victim: Victim, good: World) -> None:
        body = manifest_of(victim, good)
        victim.registry.tricks[MANIFEST] = hang_up_after(reply(body[:-1], media_type=OCI, length=len(body)))
        victim.refuse(4, "the connection broke")

    def test_a_manifest_that_goes_on_is_read_as_far_as_announced(self, victim: Victim, good: World) -> None:
        """What follows is no answer to anything: the connection is not used again."""
        body = manifest_of(victim, good)
        more = reply(b'{"tags": ["evil"]}')
        victim.registry.tricks[MANIFEST] = reply(body, media_type=OCI) + more
        victim.logins = ("nothing",)
        for outcome in victim.every("inspect"):
            assert outcome.code == 0
            assert "evil" not in outcome.out

    @pytest.mark.parametrize("which", ["config", "layer"])
    @pytest.mark.parametrize("change", [b"", b"{", b"x" * MIB], ids=["nothing", "too short", "too long"])
    def test_a_blob_of_another_size(self, victim: Victim, good: World, which: str, change: bytes) -> None:
        manifest = victim.registry.image([good.layer()])
        promise = manifest["config"] if which == "config" else manifest["layers"][0]
        victim.registry.tricks[f"{BLOBS}{promise['digest']}"] = reply(change)
        victim.refuse(5, "bytes were promised", commands=READING if which == "config" else ("packages", "assess"))

    @pytest.mark.parametrize("which", ["config", "layer"])
    def test_a_blob_that_never_ends(self, victim: Victim, good: World, which: str) -> None:
        manifest = victim.registry.image([good.layer()])
        promise = manifest["config"] if which == "config" else manifest["layers"][0]
        victim.registry.tricks[f"{BLOBS}{promise['digest']}"] = endless(HEAD + b"\r\n", b"x" * 65536)
        for outcome in victim.every(*(READING if which == "config" else ("packages", "assess"))):
            outcome.refused(5, "bytes were promised")
            assert outcome.read < 2 * MIB

    @pytest.mark.parametrize("path", [TAGS, TOKEN], ids=["tags", "token"])
    def test_a_document_that_never_ends(self, victim: Victim, path: str) -> None:
        victim.registry.tricks[path] = endless(HEAD + b"\r\n", b" " * 65536)
        victim.logins = ("bearer",)
        victim.refuse(5, "more than", commands=("tags",))

    @pytest.mark.parametrize(
        "length",
        [
            "-1",
            "-9223372036854775808",
            "9" * 4000,
            "9" * 5000,
            "1e3",
            "0x10",
            "+5",
            "5, 5",
            "5;q=1",
            "",
            "\u0665",
            "1_000",
            " 5 5",
        ],
    )
    def test_a_length_that_is_none(self, victim: Victim, good: World, length: str) -> None:
        """Read until the end, or refused; never more than the limit, and never another document."""
        body = manifest_of(victim, good)
        head = HEAD + b"Content-Length: " + length.encode() + b"\r\n\r\n"
        victim.registry.tricks[MANIFEST] = hang_up_after(head + body)
        right_or_refused(victim, body)

    @pytest.mark.parametrize("lengths", [(5, 2000), (2000, 5)])
    def test_two_lengths(self, victim: Victim, good: World, lengths: tuple[int, int]) -> None:
        """RFC 9112 § 6.3: an unrecoverable error; one of two readers would read another document."""
        body = manifest_of(victim, good) + b" " * 1000
        head = HEAD + b"".join(b"Content-Length: %d\r\n" % each for each in lengths) + b"\r\n"
        victim.registry.tricks[MANIFEST] = hang_up_after(head + body)
        right_or_refused(victim, body)

    @pytest.mark.parametrize("length", [0, 5, 100_000_000])
    def test_a_length_and_chunks(self, victim: Victim, good: World, length: int) -> None:
        """RFC 9112 § 6.3: the chunks count."""
        body = manifest_of(victim, good)
        head = HEAD + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % length
        victim.registry.tricks[MANIFEST] = hang_up_after(head + chunk(body) + chunk(b""))
        right_or_refused(victim, body)


def right_or_refused(victim: Victim, body: bytes) -> None:
    """The very document, or none."""
    import hashlib

    victim.acceptable = True
    for outcome in victim.every("inspect"):
        if outcome.code == 0:
            seen = outcome.document["Digest"]
            assert seen in {"sha256:" + hashlib.sha256(each).hexdigest() for each in (body, body.rstrip())}
        else:
            outcome.refused((4, 5))


def hang_up_after(content: bytes) -> Flood:
    """Send this, and close."""

    def answer(asked: Asked, line: Line) -> None:
        line.send(content)

    return answer


def endless(head: bytes, again: bytes, at_most: int = 1 << 30) -> Flood:
    """A head, and then the same for ever."""

    def answer(asked: Asked, line: Line) -> None:
        if line.send(head):
            line.flood(again, at_most)

    return answer


BROKEN_CHUNKS = {
    "no size": b"\r\nxxxx\r\n",
    "negative": b"-5\r\nxxxxx\r\n",
    "huge": b"f" * 15 + b"\r\n{}",
    "larger than any number": b"f" * 60_000 + b"\r\n{}",
    "a size without end": b"0" * 200_000,
    "no number": b"zz\r\n{}\r\n",
    "an underscore": b"1_0\r\n{}\r\n",
    "0x": b"0x10\r\n{}\r\n",
    "no end of the chunk": b"5\r\nxxxxxyyyyyyy",
    "an extension of 100 KB": b"5;" + b"a" * 100_000 + b"\r\n{   }\r\n0\r\n\r\n",
    "cut short": b"100\r\n{",
    "no last chunk": b"2\r\n{}\r\n",
}


@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_chunks_that_are_broken(victim: Victim, body: bytes) -> None:
    victim.registry.tricks[MANIFEST] = hang_up_after(CHUNKED + body)
    for outcome in victim.every("packages", "assess"):
        outcome.refused((4, 5))
        assert outcome.read < MIB


def test_chunks_of_one_byte(victim: Victim, good: World) -> None:
    """Six times as many bytes on the wire, and the document all the same."""
    body = manifest_of(victim, good)
    victim.registry.tricks[MANIFEST] = (
        CHUNKED + b"".join(chunk(body[n : n + 1]) for n in range(len(body))) + b"0\r\n\r\n"
    )
    right_or_refused(victim, body)


def test_chunks_of_one_byte_without_end(victim: Victim) -> None:
    """Counted by what they hold; each needs 100 times as much."""
    long = b"1;" + b"x" * 600 + b"\r\n \r\n"
    victim.registry.tricks[MANIFEST] = endless(CHUNKED, long * 100, 16 * MIB)
    victim.logins = ("bearer",)
    victim.most_read = 12 * MIB
    victim.refuse((4, 5), commands=("packages",))


FLOODS = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100),
    "empty lines": (b"", b"\r\n" * 1000),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-More: more\r\n" * 100),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
    "a status line": (b"HTTP/1.1 200 ", b"x" * 65536),
    "a version": (b"HTTP/", b"1" * 65536),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: more\r\n" * 100),
}


@pytest.mark.parametrize("name", FLOODS)
def test_what_goes_on_around_a_body(victim: Victim, name: str) -> None:
    """Nothing of it counts as body, so no limit of a document ends it."""
    head, again = FLOODS[name]
    victim.registry.tricks[MANIFEST] = endless(head, again, 24 * MIB)
    victim.logins = ("bearer",)
    victim.refuse((4, 5), commands=("packages",))


class TestSlowness:
    """A byte a second, with a patience of less than that."""

    @pytest.mark.parametrize("start", ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"])
    def test_one_byte_a_second(self, victim: Victim, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
        hasten(monkeypatch)
        victim.registry.tricks[MANIFEST] = dripping(start.encode(), b"HTTP/1.1 200 OK\r\n" if not start else b"X")
        victim.logins = ("bearer",)
        victim.refuse(4, "in time", commands=("packages",))

    @pytest.mark.parametrize("which", ["config", "layer"])
    def test_a_blob_of_one_byte_a_second(
        self, victim: Victim, good: World, monkeypatch: pytest.MonkeyPatch, which: str
    ) -> None:
        hasten(monkeypatch)
        manifest = victim.registry.image([good.layer()])
        promise = manifest["config"] if which == "config" else manifest["layers"][0]
        head = reply(b"", length=promise["size"])
        victim.registry.tricks[f"{BLOBS}{promise['digest']}"] = dripping(head, b"x")
        victim.logins = ("bearer",)
        victim.refuse(4, "in time", commands=("packages",))

    @pytest.mark.parametrize("path", [TAGS, TOKEN], ids=["tags", "token"])
    def test_a_document_of_one_byte_a_second(self, victim: Victim, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
        hasten(monkeypatch)
        victim.registry.tricks[path] = dripping(reply(b"", length=1000), b" ")
        victim.logins = ("bearer",)
        victim.refuse(4, "in time", commands=("tags",))

    def test_a_registry_that_says_nothing(self, victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
        silent(monkeypatch)

        def answer(asked: Asked, line: Line) -> None:
            line.hold(30)

        victim.registry.tricks[MANIFEST] = answer
        victim.logins = ("bearer",)
        victim.refuse(4, "no answer in time", commands=("packages",))

    def test_a_registry_that_stops_in_the_middle(self, victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
        silent(monkeypatch)

        def answer(asked: Asked, line: Line) -> None:
            line.send(reply(b"{", length=1000))
            line.hold(30)

        victim.registry.tricks[MANIFEST] = answer
        victim.logins = ("bearer",)
        victim.refuse(4, "no answer in time", commands=("packages",))


def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait half a second for the next byte: `Client`'s own parameter."""
    from affineur.http.client import Client

    defaults = {**(Client.__init__.__kwdefaults__ or {}), "read_s": 0.3}
    monkeypatch.setattr(Client.__init__, "__kwdefaults__", defaults)


def dripping(head: bytes, content: bytes) -> Flood:
    """A head, and then a byte a second."""

    def answer(asked: Asked, line: Line) -> None:
        if not head or line.send(head):
            line.drip(content, 0.05, 400)

    return answer


class TestRanges:
    """Parts of a blob that were not asked for, or other parts than were."""

    ODD: ClassVar[dict[str, tuple[int, str]]] = {
        "206 unasked": (206, "bytes 0-{last}/{size}"),
        "206 of another part": (206, "bytes 5-{last}/{size}"),
        "206 without a range": (206, ""),
        "206 of a range that is none": (206, "bytes x-y/z"),
        "206 of a negative range": (206, "bytes -5-10/{size}"),
        "200 with a range": (200, "bytes 5-{last}/{size}"),
        "203": (203, ""),
        "226": (226, ""),
    }

    @pytest.mark.parametrize("which", ["config", "layer"])
    @pytest.mark.parametrize("name", ODD)
    def test_an_answer_in_parts_that_nobody_asked_for(self, victim: Victim, good: World, which: str, name: str) -> None:
        """With the whole content it is either refused, or what was promised; with other content it is refused."""
        status, said = self.ODD[name]
        manifest = victim.registry.image([good.layer()])
        promise = manifest["config"] if which == "config" else manifest["layers"][0]
        path = f"{BLOBS}{promise['digest']}"
        honest = victim.registry.honest(path).partition(b"\r\n\r\n")[2]
        where = said.format(last=promise["size"] - 1, size=promise["size"])
        victim.registry.tricks[path] = reply(honest, status, ("Content-Range", where))
        victim.acceptable = True
        for outcome in victim.every("packages"):
            assert outcome.code in (0, 4, 5)
        victim.acceptable = False
        victim.registry.tricks[path] = reply(honest[5:], status, ("Content-Range", where))
        for outcome in victim.every("packages", "assess"):
            outcome.refused((4, 5))

    @pytest.mark.parametrize("status", [201, 202, 204, 205, 300, 304, 305, 306, 399])
    def test_an_answer_that_is_no_document(self, victim: Victim, status: int) -> None:
        victim.registry.tricks[MANIFEST] = hang_up_after(reply(b"", status))
        victim.refuse((4, 5), commands=("packages", "assess"))


class TestResuming:
    """A blob that breaks off is taken up again by Range, and verified as a whole."""

    @staticmethod
    def broken(victim: Victim, good: World, then: Callable[[bytes, int, Asked], bytes], half: int = 100) -> str:
        """The layer breaks off after some bytes; then comes what the function says.

        Args: then: told the layer's content, where the Range starts, and the request.
        """
        promise = victim.registry.image([good.layer()])["layers"][0]
        path = f"{BLOBS}{promise['digest']}"
        content = victim.registry.honest(path).partition(b"\r\n\r\n")[2]

        def answer(asked: Asked, line: Line) -> None:
            start = asked.header("Range").removeprefix("bytes=").removesuffix("-")
            if not start:
                line.send(reply(content[:half], length=len(content)))
                return
            line.send(then(content, int(start), asked))

        victim.registry.tricks[path] = answer
        return path

    @staticmethod
    def run(victim: Victim) -> list[Outcome]:
        return list(victim.every("packages", "assess"))

    def test_where_it_broke(self, victim: Victim, good: World) -> None:
        victim.acceptable = True
        self.broken(
            victim, good, lambda c, n, a: reply(c[n:], 206, ("Content-Range", f"bytes {n}-{len(c) - 1}/{len(c)}"))
        )
        assert {outcome.code for outcome in self.run(victim)} == {0}

    def test_from_the_start(self, victim: Victim, good: World) -> None:
        victim.acceptable = True
        self.broken(victim, good, lambda c, n, a: reply(c))
        assert {outcome.code for outcome in self.run(victim)} == {0}

    @pytest.mark.parametrize("offset", [-1, 1, -100, 50])
    def test_at_another_place(self, victim: Victim, good: World, offset: int) -> None:
        """Overlapping or leaving a gap, and saying so."""

        def then(content: bytes, start: int, asked: Asked) -> bytes:
            at = start + offset
            said = f"bytes {at}-{len(content) - 1}/{len(content)}"
            return reply(content[at:], 206, ("Content-Range", said))

        self.broken(victim, good, then)
        for outcome in self.run(victim):
            outcome.refused((4, 5))

    @pytest.mark.parametrize("offset", [-1, 1, -100, 50])
    def test_at_another_place_than_it_says(self, victim: Victim, good: World, offset: int) -> None:
        def then(content: bytes, start: int, asked: Asked) -> bytes:
            said = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return reply(content[start + offset :], 206, ("Content-Range", said))

        self.broken(victim, good, then)
        for outcome in self.run(victim):
            outcome.refused(5)

    @pytest.mark.parametrize("whole", [True, False], ids=["200", "206"])
    def test_a_blob_that_changes_between_its_halves(self, victim: Victim, good: World, whole: bool) -> None:
        def then(content: bytes, start: int, asked: Asked) -> bytes:
            other = bytes(each ^ 1 for each in content)
            said = ("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            return reply(other) if whole else reply(other[start:], 206, said)

        self.broken(victim, good, then)
        for outcome in self.run(victim):
            outcome.refused(5)

    def test_a_blob_that_grows(self, victim: Victim, good: World) -> None:
        def then(content: bytes, start: int, asked: Asked) -> bytes:
            said = f"bytes {start}-{len(content) + MIB - 1}/{len(content) + MIB}"
            return reply(content[start:] + b"x" * MIB, 206, ("Content-Range", said))

        self.broken(victim, good, then)
        for outcome in self.run(victim):
            outcome.refused(5)

    @pytest.mark.parametrize("status", [401, 403, 404, 416, 429, 500])
    def test_that_is_refused(self, victim: Victim, good: World, status: int) -> None:
        self.broken(victim, good, lambda c, n, a: reply(b"", status))
        for outcome in self.run(victim):
            outcome.refused(4)

    @pytest.mark.parametrize("step", [0, 1])
    def test_for_ever(self, victim: Victim, good: World, step: int) -> None:
        """A byte, or none, each time."""
        path = self.broken(
            victim,
            good,
            lambda c, n, a: reply(
                c[n : n + step], 206, ("Content-Range", f"bytes {n}-{len(c) - 1}/{len(c)}"), length=len(c) - n
            ),
        )
        for outcome in self.run(victim):
            outcome.refused(4)
            assert victim.registry.times(path) <= 40

    def test_elsewhere_without_the_login(self, victim: Victim, good: World, other: HostileRegistry) -> None:
        """Taken up at another host, by a redirect: nothing of the login goes there."""
        victim.others.append(other)
        self.broken(victim, good, lambda c, n, a: reply(b"", 307, ("Location", f"{other.url}/blob")))
        other.tricks["/blob"] = reply(b"", 401, ("WWW-Authenticate", 'Basic realm="x"'))
        victim.logins = ("nothing", "basic", "bearer")
        for outcome in self.run(victim):
            outcome.refused(4)
