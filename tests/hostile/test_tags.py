"""Lists of tags: millions of them, pages that loop or lead away, and names that are none."""

import itertools
import json

import pytest

from support.hostile import TAGS, Asked, HostileRegistry, Line, reply
from support.hostile_victim import Victim

MIB = 1 << 20


def page(*tags: str, following: str | None = None) -> bytes:
    """One page, and where the next one is said to be."""
    link = [] if following is None else [("Link", f'<{following}>; rel="next"')]
    return reply(json.dumps({"name": "team/app", "tags": list(tags)}).encode(), 200, *link)


class TestMillions:
    def test_10_million_tags_in_one_answer(self, victim: Victim) -> None:
        """Its size alone ends it."""

        def answer(asked: Asked, line: Line) -> None:
            if line.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b'{"tags": ["x"'):
                line.flood(b', "1.2.3-abcdef"' * 4096, 160 * MIB)

        victim.registry.tricks[TAGS] = answer
        for outcome in victim.every("tags"):
            outcome.refused(5, "more than")
            assert outcome.read < 6 * MIB

    def test_10_million_tags_in_pages(self, victim: Victim) -> None:
        """Pages of 100,000 each; the millionth tag is the last one that is taken."""
        names = [f"{number:06}" for number in range(100_000)]
        body = json.dumps({"tags": names}).encode()

        def answer(asked: Asked, line: Line) -> bytes:
            return reply(body, 200, ("Link", f'<{TAGS}?last={victim.registry.times(TAGS)}>; rel="next"'))

        victim.registry.tricks[TAGS] = answer
        victim.logins = ("bearer",)
        victim.most_held, victim.most_read = 400 * MIB, 16 * MIB
        for outcome in victim.every("tags"):
            outcome.refused(5, "more than 1000000")
            assert victim.registry.times(TAGS) <= 12

    def test_a_tag_of_a_megabyte(self, victim: Victim) -> None:
        """No registry can have it: distribution-spec 1.1 § Pulling manifests gives a tag 128 characters."""
        victim.registry.tricks[TAGS] = page("x" * MIB)
        for outcome in victim.every("tags"):
            assert outcome.code in (0, 5)
            assert len(outcome.out) < 2 * MIB


class TestPages:
    def test_that_loop(self, victim: Victim) -> None:
        """One leads to two, two to one."""
        victim.registry.tricks[TAGS] = page("a", following=f"{TAGS}?last=1")
        victim.registry.tricks[f"{TAGS}?last=1"] = page("b", following=f"{TAGS}?last=2")
        victim.registry.tricks[f"{TAGS}?last=2"] = page("c", following=f"{TAGS}?last=1")
        victim.logins = ("bearer",)
        for outcome in victim.every("tags"):
            outcome.refused(5, "next page")
            assert victim.registry.times(TAGS) < 10

    def test_full_of_spaces(self, victim: Victim) -> None:
        """4 MB each, with one tag in it: their sum is bounded, not only their number."""
        body = b'{"tags": ["x"]' + b" " * (4 * MIB - 100) + b"}"

        def answer(asked: Asked, line: Line) -> bytes:
            turn = victim.registry.times(TAGS)
            victim.registry.overrun = turn > 30
            return reply(body, 200, *([] if turn > 30 else [("Link", f'<{TAGS}?last={turn}>; rel="next"')]))

        victim.registry.tricks[TAGS] = answer
        victim.logins = ("nothing",)
        victim.most_read = 100 * MIB
        victim.refuse(5, "more than", commands=("tags",))

    @pytest.mark.parametrize("link", [TAGS, f"{TAGS}?", f"{TAGS}#x", f"http://HOST{TAGS}", "", "list", "./list", "?"])
    def test_that_are_their_own_next(self, victim: Victim, link: str) -> None:
        victim.registry.tricks[TAGS] = page("a", following=link.replace("HOST", victim.registry.host))
        victim.most_requests = 50_000
        for outcome in victim.every("tags"):
            outcome.refused(5, "next page")
            assert victim.registry.times(TAGS) < 10

    def test_without_end(self, victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each is another one, and has nothing. The limit is lowered: that there is one is meant."""
        monkeypatch.setattr("affineur.source.registry.MAX_TAG_PAGES", 50)
        count = itertools.count()
        victim.registry.tricks[TAGS] = lambda asked, line: page(following=f"{TAGS}?last={next(count)}")
        for outcome in victim.every("tags"):
            outcome.refused(5, "50 pages")
            assert victim.registry.times(TAGS) <= 51

    @pytest.mark.parametrize(
        "link",
        [
            "http://169.254.169.254/v2/",
            "http://10.0.0.1/v2/",
            "http://internal.example/v2/",
            "https://HOST/v2/team/app/tags/list?last=a",
            "http://OTHER/v2/team/app/tags/list?last=a",
            "//OTHER/v2/team/app/tags/list?last=a",
            "http://HOST@OTHER/v2/team/app/tags/list",
            "http://OTHER\\@HOST/v2/team/app/tags/list",
            "http://HOST:80/v2/team/app/tags/list",
            "file:///etc/passwd",
            "gopher://OTHER/",
            "javascript:alert(1)",
            "http://[::1",
            "http://[fe80::1%25eth0]/",
            "http://HOST:99999/",
            "http://HOST:-1/",
        ],
    )
    def test_on_another_host(self, victim: Victim, other: HostileRegistry, link: str) -> None:
        """The next page is on the registry's own host, by the same scheme and port, or nowhere."""
        victim.others.append(other)
        victim.logins = ("nothing", "basic", "bearer")
        where = link.replace("OTHER", other.host).replace("HOST", victim.registry.host)
        victim.registry.tricks[TAGS] = page("a", following=where)
        for outcome in victim.every("tags"):
            outcome.refused((4, 5))
            assert other.asked == []

    def test_that_redirect_to_another_host(self, victim: Victim, other: HostileRegistry) -> None:
        """Followed once, without the login; what is there may lead nowhere else."""
        victim.others.append(other)
        victim.logins = ("nothing", "basic", "bearer")
        other.tricks[TAGS] = page("b", following="http://169.254.169.254/v2/")
        victim.registry.tricks[TAGS] = reply(b"", 307, ("Location", f"{other.url}{TAGS}"))
        for outcome in victim.every("tags"):
            outcome.refused((4, 5))

    @pytest.mark.parametrize("following", ["/v2/team/app/manifests/1", "/v2/other/tags/list", "/token", "/"])
    def test_that_are_something_else(self, victim: Victim, following: str) -> None:
        """On the same host: read as a list of tags, or refused."""
        victim.registry.tricks[TAGS] = page("a", following=following)
        for outcome in victim.every("tags"):
            if outcome.code == 0:
                assert outcome.document["Tags"] == ["a"]
            else:
                outcome.refused((4, 5))


ODD = {
    "escapes": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "C1 controls": "\x9b31m",
    "override": "\u202e1.0",
    "isolates": "\u2066a\u2069",
    "line feed": "a\nb",
    "carriage return": "safe\revil",
    "backspaces": "evil\b\b\b\bgood",
    "NUL": "a\0b",
    "without a shape": "\u200b\u2060\ufeff",
    "marks": "a" + "\u0301" * 1000,
    "private use": "\ue000\U000f0000",
    "empty": "",
    "path": "../../../etc/passwd",
    "option": "--authfile=/etc/passwd",
    "shell": "$(reboot); `reboot`",
    "JSON": '"], "x": ["',
    "emoji": "\U0001f600",
}


@pytest.mark.parametrize("tag", ODD.values(), ids=ODD)
def test_a_tag_that_is_none(victim: Victim, tag: str) -> None:
    """Listed so that nothing happens, or refused. The JSON has the very value: a second reader gets it back."""
    victim.registry.tricks[TAGS] = page("good", tag)
    for output in ("json", "text"):
        for outcome in (victim.run("tags", "--format", output), victim.run("inspect", "--format", output)):
            assert outcome.code in (0, 3, 5)
            if outcome.command == "tags" and outcome.code == 0 and output == "json":
                assert json.loads(outcome.out)["Tags"] == ["good", tag]
            if outcome.command == "tags" and outcome.code == 0 and output == "text":
                assert len(outcome.out.split("\n")) == 3


WRONG = [
    b'{"tags": [1, 2]}',
    b'{"tags": [null]}',
    b'{"tags": [["a"]]}',
    b'{"tags": {"a": "b"}}',
    b'{"tags": "abc"}',
    b'{"tags": 7}',
    b'["a", "b"]',
    b'{"Tags": ["a"], "tags": ["b"], "tags": []}',
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_tags_of_another_kind(victim: Victim, number: int) -> None:
    victim.registry.tricks[TAGS] = reply(WRONG[number])
    victim.refuse(5, commands=("tags",))


def test_a_link_of_a_megabyte(victim: Victim) -> None:
    victim.registry.tricks[TAGS] = page("a", following="/" + "x" * MIB)
    victim.refuse(4, commands=("tags",))


@pytest.mark.parametrize("link", ["/" + "x" * 60_000, "?" + "y" * 9000, "/v2/\x00", "/v2/ /", "/v2/\u00e4", "/v2/\x7f"])
def test_a_link_that_is_odd(victim: Victim, link: str) -> None:
    victim.registry.tricks[TAGS] = page("a", following=link)
    for outcome in victim.every("tags"):
        assert outcome.code in (0, 4, 5)


def test_inspect_says_that_the_tags_could_not_be_listed(victim: Victim) -> None:
    """The image is told all the same, and the exit code says that something is missing."""
    victim.registry.tricks[TAGS] = reply(b"", 403)
    for outcome in victim.every("inspect"):
        assert outcome.code == 3
        outcome.told("the repository's tags")
