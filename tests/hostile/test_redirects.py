"""Redirects: to plain http, to addresses and names that nobody may be led to, in circles, and broken ones."""

import pytest

from support.hostile import BLOBS, MANIFEST, TAGS, TOKEN, Asked, HostileRegistry, Line, reply
from support.hostile_network import PUBLIC
from support.hostile_places import INSIDE, METADATA, NAMES, NO_PLACE, check_witness
from support.hostile_victim import READING, Victim
from support.world import World

WHAT = ["manifest", "config", "layer", "tags", "token"]


def path_of(victim: Victim, good: World, what: str) -> tuple[str, tuple[str, ...]]:
    """What is asked for, and the commands that ask for it."""
    manifest = victim.registry.image([good.layer()])
    if what in ("config", "layer"):
        digest = (manifest["config"] if what == "config" else manifest["layers"][0])["digest"]
        return f"{BLOBS}{digest}", ("packages",)
    if what == "token":
        victim.logins = ("bearer",)
    return {"manifest": MANIFEST, "tags": TAGS, "token": TOKEN}[what], ("tags",) if what == "tags" else ("packages",)


def lead(victim: Victim, good: World, what: str, target: str, status: int = 307) -> tuple[str, ...]:
    """Have it redirected; returns the commands that ask for it."""
    path, commands = path_of(victim, good, what)
    victim.registry.tricks[path] = reply(b"", status, ("Location", target))
    return commands


def know(victim: Victim) -> None:
    """The names of NAMES."""
    victim.network.names |= {name: [addresses] for name, addresses in NAMES.items()}


def test_the_lists_have_a_second_witness() -> None:
    check_witness()


@pytest.mark.parametrize("target", METADATA)
@pytest.mark.parametrize("what", ["manifest", "layer", "token"])
def test_to_what_nobody_may_ask(victim: Victim, good: World, what: str, target: str) -> None:
    """Not even for a registry on this machine."""
    know(victim)
    commands = lead(victim, good, what, target)
    victim.refuse(4, commands=commands)
    assert set(victim.network.connected) == {"127.0.0.1"}


@pytest.mark.parametrize("target", METADATA + INSIDE)
@pytest.mark.parametrize("what", ["manifest", "layer", "token"])
def test_from_a_public_registry_to_the_inside(
    public: Victim, other: HostileRegistry, good: World, what: str, target: str
) -> None:
    """Refused before any connection: over http by the scheme, over https by the address."""
    know(public)
    public.others.append(other)
    public.logins = ("bearer",)
    for scheme in ("http", "https") if what == "manifest" else ("https",):
        where = target.replace("http:", f"{scheme}:").replace("PORT", str(other.port))
        public.refuse(4, commands=lead(public, good, what, where))
        assert set(public.network.connected) == {PUBLIC}
    assert other.asked == []


@pytest.mark.parametrize("what", ["manifest", "config", "layer", "tags", "token"])
def test_from_https_to_http(public: Victim, good: World, what: str) -> None:
    """Not even to itself."""
    public.refuse(
        4, "plain http", commands=lead(public, good, what, f"http://registry.example:{public.registry.port}/x")
    )
    assert set(public.network.connected) == {PUBLIC}


@pytest.mark.parametrize("target", NO_PLACE)
@pytest.mark.parametrize("what", ["manifest", "layer", "token"])
def test_to_what_is_no_place(victim: Victim, good: World, what: str, target: str) -> None:
    victim.logins = ("bearer",)
    victim.refuse(4, commands=lead(victim, good, what, target))
    assert set(victim.network.connected) == {"127.0.0.1"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("what", WHAT)
def test_to_itself(victim: Victim, good: World, what: str, status: int) -> None:
    path, _ = path_of(victim, good, what)
    for outcome in victim.every(*lead(victim, good, what, path, status)):
        outcome.refused(4)
        assert victim.registry.times(path) <= 12


@pytest.mark.parametrize("what", ["manifest", "layer", "tags"])
def test_in_a_circle(victim: Victim, good: World, what: str) -> None:
    """Three places that lead to one another."""
    commands = lead(victim, good, what, "/one")
    for here, there in (("/one", "/two"), ("/two", "/three"), ("/three", "/one")):
        victim.registry.tricks[here] = reply(b"", 302, ("Location", there))
    for outcome in victim.every(*commands):
        outcome.refused(4, "circle")
        assert len(victim.registry.asked) < 30


@pytest.mark.parametrize("what", ["manifest", "layer", "tags"])
def test_without_end(victim: Victim, good: World, what: str) -> None:
    """A new place each time."""
    path, commands = path_of(victim, good, what)

    def answer(asked: Asked, line: Line) -> bytes:
        return reply(b"", 302, ("Location", f"{path}?{len(victim.registry.asked)}"))

    victim.registry.tricks[path] = answer
    for outcome in victim.every(*commands):
        outcome.refused(4, "10 times")
        assert victim.registry.times(path) < 30


def test_between_two_hosts(victim: Victim, other: HostileRegistry) -> None:
    victim.others.append(other)
    victim.logins = ("nothing", "basic", "bearer")
    other.tricks["/there"] = reply(b"", 302, ("Location", f"{victim.registry.url}{MANIFEST}"))
    victim.registry.tricks[MANIFEST] = reply(b"", 302, ("Location", f"{other.url}/there"))
    victim.refuse(4, commands=("packages", "assess"))


def test_with_a_body_without_end(victim: Victim, other: HostileRegistry) -> None:
    """Of the redirect itself: not read."""

    def answer(asked: Asked, line: Line) -> None:
        if line.send(b"HTTP/1.1 307 Moved\r\nLocation: /v2/nowhere\r\n\r\n"):
            line.flood(b"x" * 65536)

    victim.registry.tricks[MANIFEST] = answer
    for outcome in victim.every("packages"):
        outcome.refused(4)
        assert outcome.read < 1 << 20


LOCATIONS = {
    "line feed": b"/v2/\n\nX-Evil: 1",
    "header in it": b"/x\r\nX-Evil: 1\r\nSet-Cookie: a=b",
    "bare carriage return": b"/x\rX-Evil: 1",
    "NUL": b"/x\x00y",
    "tab": b"/x\ty",
    "escape": b"/x\x1b[31m",
    "no ASCII": b"/\xc3\xa4\xff",
    "encoded line feed": b"/x%0d%0aX-Evil:%201",
    "60 KB": b"/" + b"x" * 60_000,
    "a megabyte": b"/" + b"x" * 1_000_000,
    "a thousand steps up": b"/" + b"../" * 1000,
    "a fragment": b"#here",
    "empty": b"",
    "two": b"/x\r\nLocation: /y",
    "a question mark": b"?",
    "semicolons": b"/;a=b;c=d",
}


@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS)
def test_to_a_location_that_is_odd(victim: Victim, location: bytes) -> None:
    """Nothing of it becomes a header of the next request."""
    victim.registry.tricks[MANIFEST] = b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    for outcome in victim.every("packages", "assess"):
        outcome.refused((4, 5))
        for asked in victim.registry.asked:
            assert not asked.header("X-Evil")
            assert not asked.header("Cookie")
            assert b"\n" not in asked.raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("status", [300, 304, 305, 306, 201, 200, 401, 404, 503])
def test_a_location_without_a_redirect(victim: Victim, other: HostileRegistry, status: int) -> None:
    """Only 301, 302, 303, 307 and 308 lead anywhere."""
    victim.others.append(other)
    victim.registry.tricks[MANIFEST] = reply(b"", status, ("Location", f"{other.url}/x"))
    victim.refuse((4, 5), commands=("packages",))
    assert other.asked == []


def test_a_name_that_changes_its_address(public: Victim, good: World) -> None:
    """DNS rebinding: at the second look it is a metadata service, and is not asked again."""
    public.network.names["elsewhere.example"] = [["169.254.169.254"], [PUBLIC]]
    where = f"https://elsewhere.example:{public.registry.port}/x"
    public.logins = ("bearer",)
    public.refuse(4, "169.254.169.254", commands=lead(public, good, "layer", where))


def test_a_registry_whose_name_is_a_forbidden_address(public: Victim) -> None:
    for addresses in (["169.254.169.254"], ["fe80::1"], ["0.0.0.0"], ["100.100.100.200", "169.254.1.1"]):
        public.network.names["registry.example"] = [addresses]
        public.refuse(4, "never asked", commands=(*READING, "tags"))
        assert public.network.connected == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "224.0.0.1", "100.100.100.200", "[::]"])
def test_a_registry_at_a_forbidden_address(victim: Victim, host: str) -> None:
    victim.image = f"{host}:5000/team/app:1"
    victim.refuse(4, "never asked", commands=(*READING, "tags"))
    assert victim.network.connected == []
