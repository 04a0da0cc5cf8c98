"""Images whose /etc/apt is hostile or broken, through the command line: what is missing is told all the same."""

import tarfile

import pytest

from support.bending import STATUS, sources
from support.endings import ASSESS, judged, unassessed, unknown
from support.registry import tar_of
from support.world import HOST, World

FORBIDDEN = {
    "metadata service": ("http://169.254.169.254/debian", "never asked"),
    "private address": ("http://10.1.2.3/debian", "not among the allowed networks"),
    "host that is not allowed": (
        "http://evil.example/debian",
        "not among the allowed hosts, so its name was not looked up",
    ),
    "file": ("file:///srv/debian", "it means a file in the image"),
    "copy": ("copy:/srv/debian", "it means a file in the image"),
    "cdrom": ("cdrom:[Debian]/", "only http and https are"),
    "ftp": ("ftp://archive.example/debian", "only http and https are"),
    "gopher": ("gopher://archive.example/debian", "only http and https are"),
    "port that is none": ("http://archive.example:99999/debian", "no usable URL"),
}


@pytest.mark.parametrize(("uri", "why"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_sources_that_point_where_nobody_is_asked(world: World, uri: str, why: str) -> None:
    """As one more place, it is named; the letter rests on the others."""
    document = judged(sources(world, f"deb {uri} bookworm main").run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert why in unassessed(document)
    assert world.run("updates", publish=False).code == 3


@pytest.mark.parametrize(("uri", "why"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_sources_that_point_nowhere_else(updated: World, uri: str, why: str) -> None:
    """As the only place, there is nothing for a letter to rest on."""
    old = (updated.files["etc/apt/sources.list"] or b"").decode()
    updated.files["etc/apt/sources.list"] = old.replace(f"{HOST}/debian", uri).encode()
    document = unknown(updated.run(*ASSESS), "bookworm", "bookworm-security")
    assert why in unassessed(document)
    assert updated.archive.requests == []
    assert updated.run("updates", publish=False).code == 4


def test_pins_that_hide_every_update(world: World) -> None:
    world.files["etc/apt/preferences.d/hide"] = b"Package: *\nPin: release o=Debian\nPin-Priority: -1\n"
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert document["updates"] == []
    hidden = {each["what"].split()[0] for each in document["deviations"] if each["kind"] == "pin"}
    assert hidden == {"openssl", "libssl3"}
    assert world.run("updates", "--list", publish=False).out == ""


def test_a_pin_that_hides_one_package(world: World) -> None:
    world.files["etc/apt/preferences"] = b"Package: openssl\nPin: version 3.0.11-1~deb12u1\nPin-Priority: 1001\n"
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert [update["name"] for update in document["updates"]] == ["libssl3"]
    assert [each["kind"] for each in document["deviations"]] == ["pin"]


def test_packages_on_hold_are_listed_as_apt_lists_them(world: World) -> None:
    world.status = [each.replace("install ok", "hold ok") for each in world.status]
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert [update["held"] for update in document["updates"]] == [True, True]
    assert [each["kind"] for each in document["deviations"]] == ["hold"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/apt/sources.list", b"deb\n"),
        ("etc/apt/sources.list", b"deb [signed-by=\xff\xfe http://archive.example/debian bookworm main\n"),
        ("etc/apt/sources.list.d/more.sources", b"Types: deb\nURIs: http://archive.example/debian\n"),
        ("etc/apt/sources.list.d/more.sources", b"\xff\xfe\x00"),
        ("etc/apt/sources.list", bytes(range(256))),
        ("etc/apt/apt.conf", b'Dir::Etc "/srv";\n'),
        ("etc/apt/apt.conf", b"{{{{{{"),
        ("etc/apt/apt.conf", b'#include "/etc/passwd"\n'),
        ("etc/apt/preferences", b"Pin: release a=stable\nPin-Priority: 1\n"),
    ],
)
def test_a_configuration_that_apt_refuses(world: World, path: str, content: bytes) -> None:
    """What the image would be offered cannot be told then. What the distribution published still can."""
    own = world.files.get(path) or b""
    world.files[path] = own + content
    done = world.run(*ASSESS)
    document = judged(done)
    assert document["grade"]["letter"] in ("E", None)
    assert document["verdict"]["decision"] == "reject"
    assert path in unassessed(document)
    assert world.run("updates", publish=False).code in (3, 4)
    assert world.run("assess", publish=False).code == 1


ODD_BYTES = {
    "suite": b"deb http://archive.example/debian book\xffworm main",
    "component": b"deb http://archive.example/debian bookworm ma\xffin",
    "path": b"deb http://archive.example/\xff\xfe bookworm main",
    "host": b"deb http://arch\xffive.example/debian bookworm main",
    "keyring": b"deb [signed-by=/usr/share/keyrings/\xff.asc] http://archive.example/other bookworm main",
    "escapes": b"deb http://archive.example/\x1b]0;x\x07 bookworm main",
    "line feed": b"deb http://archive.example/x%0d%0aX:%20y bookworm main",
}


@pytest.mark.parametrize("line", ODD_BYTES.values(), ids=ODD_BYTES)
@pytest.mark.parametrize("output", ["json", "text", "markdown", "sarif", "html"])
def test_odd_bytes_in_the_sources(world: World, line: bytes, output: str) -> None:
    done = sources(world, line).run("assess", "--as-of", ASSESS[-1], "--format", output)
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "Traceback" not in done.err
    if output == "json":
        assert judged(done)["grade"]["letter"] == "E"


@pytest.mark.parametrize("name", ["\udcff.list", "\x1b[31m.list", "a\nb.list", "%s%n.list", "x" * 200 + ".list"])
def test_odd_names_of_files(world: World, name: str) -> None:
    files: dict[str, bytes | tarfile.TarInfo] = {path: body for path, body in world.files.items() if body}
    files[STATUS] = "\n".join(world.status).encode()
    files[f"etc/apt/sources.list.d/{name}"] = b"deb\n"
    files[f"usr/share/keyrings/{name}"] = b"x"
    files[f"var/lib/dpkg/status.d/{name}"] = b""
    world.layers = [tar_of(files)]
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"
    text = world.run("assess", publish=False)
    assert text.code == 1
    assert "\x1b" not in text.out


def test_thousands_of_sources(world: World) -> None:
    lines = [f"deb http://archive.example/none{number} bookworm main" for number in range(1000)]
    document = judged(sources(world, *lines).run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert len(document["suites"]) == 1003


def test_more_sources_than_anybody_has(world: World) -> None:
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n"
    many = stanza.format(" ".join(f"http://u{n}.example/" for n in range(500)), " ".join(f"s{n}" for n in range(500)))
    world.files["etc/apt/sources.list.d/many.sources"] = many.encode()
    document = judged(world.run(*ASSESS))
    assert "more than 2000 entries" in unassessed(document)
    assert document["verdict"]["decision"] == "reject"


def test_hundreds_of_keyrings_anywhere(world: World) -> None:
    """Each may be anywhere in the image; the layers are read once more for all of them."""
    lines = [f"deb [signed-by=/opt/keys/{n}.asc] {HOST}/none{n} bookworm main" for n in range(300)]
    world.files["opt/keys/7.asc"] = b"no key"
    document = judged(sources(world, *lines).run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert "keyring /opt/keys/8.asc: not in the image" in unassessed(document)
    assert "keyring /opt/keys/7.asc: no OpenPGP keyring" in unassessed(document)
    assert len([path for method, path in world.registry.requests if "/blobs/" in path]) == 3  # with the config


def test_a_keyring_that_is_no_keyring(updated: World) -> None:
    updated.files["usr/share/keyrings/test-archive-keyring.asc"] = b"nothing like it"
    unknown(updated.run(*ASSESS), "none of the keys that sign it is at hand")


def test_a_keyring_of_many_megabytes(updated: World) -> None:
    updated.files["usr/share/keyrings/test-archive-keyring.asc"] = b"x" * (9 << 20)
    document = unknown(updated.run(*ASSESS), "none of the keys that sign it is at hand")
    assert str(9 << 20) in unassessed(document)


@pytest.mark.parametrize("climb", ["..", "%2e%2e", "%252e%252e"])
def test_a_path_that_climbs_out_of_what_the_user_mapped(world: World, climb: str) -> None:
    """The image chooses the path; the map is the user's, of one folder. (apt decodes a `%2e` in sources.list.)"""
    world.mapped = "/debian"
    document = judged(sources(world, f"deb {HOST}/debian/{climb}/secret bookworm main").run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert not [path for path in world.archive.requests if "secret" in path]
    assert f"{HOST.partition('//')[2]} is not among the allowed hosts" in unassessed(document)
