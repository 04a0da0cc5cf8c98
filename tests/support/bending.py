"""Ways to bend the small world: entries and layers of its image, lines of its sources, suites published again."""

import tarfile
from typing import Any

from support.command import Done
from support.endings import ASSESS, unknown
from support.registry import Layer, digest_of
from support.world import World

__all__ = [
    "INDEX",
    "IN_RELEASE",
    "SECURITY",
    "STATUS",
    "judge_unknown",
    "member",
    "on_top",
    "plain",
    "publish",
    "push_again",
    "run_at",
    "sources",
]

STATUS = "var/lib/dpkg/status"
SECURITY = "debian/dists/bookworm-security/"
IN_RELEASE = f"{SECURITY}InRelease"
INDEX = f"{SECURITY}main/binary-amd64/"


def member(path: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """An entry without content."""
    made = tarfile.TarInfo(path)
    made.type, made.linkname, made.size = kind, link, size
    return made


def on_top(world: World, *layers: bytes | Layer) -> World:
    """Put further layers on the image's own."""
    world.layers = [world.layer(), *layers]
    return world


def plain(content: bytes) -> Layer:
    """A layer of these very bytes."""
    return Layer(content, digest_of(content), "none")


def sources(world: World, *lines: str | bytes) -> World:
    """Add lines to the image's sources."""
    own = world.files["etc/apt/sources.list"] or b""
    world.files["etc/apt/sources.list"] = own + b"".join(
        (line.encode() if isinstance(line, str) else line) + b"\n" for line in lines
    )
    return world


def judge_unknown(world: World, *because: str) -> dict[str, Any]:
    """Run it on what is published now, and see that the letter is unknown for these reasons."""
    return unknown(world.run(*ASSESS, publish=False), *because)


def publish(world: World, name: str = "bookworm-security", **changes: object) -> None:
    """Publish one suite again with other arguments."""
    stanzas, fields = world.suites[name]
    world.archive.suite(name, {"main": stanzas}, below="debian/", **{**fields, **changes})


def push_again(world: World) -> None:
    """The image, with what was changed in it since it was published."""
    world.registry.push("team/app", "1", layers=[world.layer()])


def run_at(world: World, reference: str, *arguments: str) -> Done:
    """Judge another reference than the world's."""
    words = world.words("assess", *arguments)
    return world.run_words([*words[:-1], reference])
