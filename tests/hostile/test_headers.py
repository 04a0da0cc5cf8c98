"""Headers: a megabyte of them, hundreds of them, broken ones, and what they say to people and to terminals."""

import time

import pytest

from support.hostile import MANIFEST, OCI, TAGS, Asked, Line, reply
from support.hostile_victim import READING, Victim
from support.world import World

MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n"

ABSURD: dict[str, bytes] = {
    "one of a megabyte": b"X-Large: " + b"x" * MIB + b"\r\n",
    "a name of a megabyte": b"x" * MIB + b": y\r\n",
    "a megabyte of them": b"".join(b"X-%d: %s\r\n" % (n, b"x" * 10_000) for n in range(105)),
    "200 of them": b"".join(b"X-%d: x\r\n" % n for n in range(200)),
    "10,000 of them": b"X: x\r\n" * 10_000,
    "one folded 10,000 times": b"X: x\r\n" + b" x\r\n" * 10_000,
}


@pytest.mark.parametrize("headers", ABSURD.values(), ids=ABSURD)
@pytest.mark.parametrize("path", [MANIFEST, TAGS], ids=["manifest", "tags"])
def test_absurd_headers(victim: Victim, path: str, headers: bytes) -> None:
    victim.registry.tricks[path] = HEAD + headers + b"Content-Length: 2\r\n\r\n{}"
    commands = ("packages", "assess") if path == MANIFEST else ("tags",)
    for outcome in victim.every(*commands):
        outcome.refused(4)
        assert outcome.read < 5 * MIB


STATUS_LINES = [
    b"", b"\r\n", b"HTTP/1.1\r\n", b"HTTP/1.1 \r\n", b"HTTP/1.1 abc OK\r\n", b"HTTP/1.1 99 OK\r\n",
    b"HTTP/1.1 1000 OK\r\n",
    b"HTTP/1.1 -200 OK\r\n", b"HTTP/2.0 200 OK\r\n", b"HTTP/9.9 200 OK\r\n", b"HTTP/1.1 2000000000000 OK\r\n",
    b"ICY 200 OK\r\n", b"http/1.1 200 ok\r\n", b"\x00\x00\x00\x00\r\n", b"\xff\xfe\r\n", b"HTTP/1.1 200\x00OK\r\n",
    b"HTTP/1.1 599 \x1b[31mred\r\n", b"HTTP/1.1 000 OK\r\n", b"HTTP/1.1 101 Switching Protocols\r\n",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(STATUS_LINES)))
def test_a_status_line_that_is_odd(victim: Victim, number: int) -> None:
    def answer(asked: Asked, line: Line) -> None:
        line.send(STATUS_LINES[number] + b"Content-Length: 2\r\n\r\n{}")

    victim.registry.tricks[MANIFEST] = answer
    victim.refuse((4, 5), commands=("packages", "assess"))


@pytest.mark.parametrize(
    "broken",
    [
        b"no colon\r\n",
        b": no name\r\n",
        b" first line folded\r\n",
        b"X-\xff: \xfe\xff\r\n",
        b"X: \x00\r\n",
        b"X: a\rContent-Length: 0\r\n",
        b"X: a\nY: b\r\n",
        b"X : space before the colon\r\n",
        b"X\t: y\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: br\r\n",
        b"Content-Encoding: gzip, gzip\r\n",
        b"Content-Encoding: " + b"gzip, " * 5000 + b"\r\n",
    ],
)
def test_a_header_that_is_broken(victim: Victim, good: World, broken: bytes) -> None:
    """The very manifest, or none."""
    honest = victim.registry.honest(MANIFEST)
    head, end, body = honest.partition(b"\r\n\r\n")
    victim.acceptable = True
    first, _, rest = head.partition(b"\r\n")
    for at_the_start in (True, False):
        made = first + b"\r\n" + broken + rest + end if at_the_start else head + b"\r\n" + broken + b"\r\n"

        def answer(asked: Asked, line: Line, content: bytes = made + body) -> None:
            line.send(content)

        victim.registry.tricks[MANIFEST] = answer
        for outcome in victim.every("packages"):
            assert outcome.code in (0, 4, 5)


SAID = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202eevil",
    "a\tb",
    "x" * 60_000,
    '\\"' * 20_000,
    "\u00e4\u2603",
]


@pytest.mark.parametrize("number", range(len(SAID)))
@pytest.mark.parametrize("name", ["Warning", "RateLimit-Remaining", "Content-Type"])
def test_what_headers_say(victim: Victim, name: str, number: int) -> None:
    """Shown or not, nothing of it reaches a terminal as it came: `Victim` looks at every character."""
    text = f'299 - "{SAID[number]}"' if name == "Warning" else SAID[number]
    body = victim.registry.honest(MANIFEST).partition(b"\r\n\r\n")[2]
    victim.registry.tricks[MANIFEST] = reply(body, 200, (name, text), media_type=OCI)
    victim.logins = ("bearer",)
    victim.acceptable = True
    victim.registry.demands = "bearer"
    for command, output in (("inspect", "text"), ("inspect", "json"), ("packages", "json"), ("assess", "text")):
        outcome = victim.run(command, "--format", output)
        assert outcome.code in (0, 4, 5)
        assert len(outcome.out) < 100_000


def test_a_thousand_warnings(victim: Victim) -> None:
    body = victim.registry.honest(MANIFEST).partition(b"\r\n\r\n")[2]
    headers = [("Warning", f'299 - "{number} {"x" * 1000}"') for number in range(90)]
    victim.registry.tricks[MANIFEST] = reply(body, 200, *headers, media_type=OCI)
    for outcome in victim.every("inspect"):
        warnings = outcome.document["affineur"]["warnings"]
        assert 0 < len(warnings) <= 20
        assert max(map(len, warnings)) <= 500


SLOW = {
    "Warning": ["299 " * 15_000, '299 - "' + "\\" * 60_000, '299 - "' * 8_000, "299" + " " * 60_000 + "x"],
    "Link": ["<" * 60_000, "<a>;" * 15_000, "<a>;" + "rel=" * 15_000, "<>;" + " " * 60_000, "<a>; rel" + " " * 60_000],
    "Content-Type": [";" * 60_000, " " * 60_000],
    "Retry-After": ["9" * 60_000, " " * 60_000, "Fri, " * 12_000, "-1", "nan", "inf", "1e9", "\u0663\u0663"],
    "Content-Range": ["bytes " * 10_000, "0-" * 30_000],
    "Location": ["/" * 60_000, "../" * 20_000, "%" * 60_000],
}


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, all_of in SLOW.items() for number in range(len(all_of))]
)
def test_a_header_made_to_take_long(victim: Victim, name: str, number: int) -> None:
    """Patterns are linear, or their text is cut first. In seconds of this process's own."""
    text = SLOW[name][number]
    for path in (MANIFEST, TAGS):
        body = victim.registry.honest(path).partition(b"\r\n\r\n")[2]
        victim.registry.tricks[path] = reply(body, 200, (name, text), media_type=OCI)
    victim.logins = ("nothing",)
    victim.acceptable = True
    started = time.process_time()
    for outcome in victim.every("inspect", "tags"):
        assert outcome.code in (0, 3, 4, 5)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("value", ["3600", "31", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_patience_without_end(victim: Victim, status: int, value: str) -> None:
    """More than half a minute is reported, not waited for."""
    victim.registry.tricks[MANIFEST] = reply(b"", status, ("Retry-After", value))
    for outcome in victim.every("packages", "assess"):
        outcome.refused(4, f"HTTP {status}")
        assert outcome.paused_s <= 30


def test_patience_again_and_again(victim: Victim) -> None:
    """Each wait is short enough; their number is bounded."""
    victim.registry.tricks[MANIFEST] = reply(b"", 503, ("Retry-After", "30"))
    for outcome in victim.every("packages", "assess"):
        outcome.refused(4, "HTTP 503")
        assert outcome.paused_s <= 90


def test_cookies_are_not_kept(victim: Victim) -> None:
    body = victim.registry.honest(MANIFEST).partition(b"\r\n\r\n")[2]
    victim.registry.tricks[MANIFEST] = reply(body, 200, ("Set-Cookie", "a=b; Path=/"), media_type=OCI)
    victim.acceptable = True
    for outcome in victim.every(*READING):
        assert outcome.code == 0
        assert not [asked for asked in victim.registry.asked if asked.header("Cookie")]


@pytest.mark.parametrize(
    "header", [("Refresh", "0; url=http://169.254.169.254/"), ("Alt-Svc", 'h2="169.254.169.254:443"'),
               ("Upgrade", "h2c"),
               ("Content-Location", "http://169.254.169.254/"), ("Strict-Transport-Security", "max-age=1")],
    ids=lambda header: header[0],
)  # fmt: skip
def test_what_only_browsers_follow(victim: Victim, header: tuple[str, str]) -> None:
    body = victim.registry.honest(MANIFEST).partition(b"\r\n\r\n")[2]
    victim.registry.tricks[MANIFEST] = reply(body, 200, header, media_type=OCI)
    victim.acceptable = True
    for outcome in victim.every(*READING):
        assert outcome.code == 0
        assert set(victim.network.connected) == {"127.0.0.1"}
