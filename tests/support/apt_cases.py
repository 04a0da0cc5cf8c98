"""One small image for each rule by which apt chooses, with the lines that apt prints for it.

The lines are asked of our own reader by tests/repositories/apt/test_choose.py, and of the real apt by
tests/system/test_apt_choice.py.
"""

import dataclasses

from support.apt_scenarios import Archive, Binary, Scenario

__all__ = ["A1", "A2", "A3", "BACKPORTS", "CASES", "MAIN", "SECURITY", "Case", "image", "offering"]

MAIN = Archive("http://archive.example/debian/", "bookworm", {}, suite="stable")
SECURITY = Archive(
    "http://security.archive.example/debian-security/", "bookworm-security", {},
    label="Debian-Security", suite="stable-security", codename="bookworm-security",
)  # fmt: skip
BACKPORTS = Archive(
    "http://archive.example/debian/", "bookworm-backports", {}, origin="Debian Backports", suite="stable-backports",
    codename="bookworm-backports", not_automatic=True, but_automatic_upgrades=True,
)  # fmt: skip
EXPERIMENTAL = dataclasses.replace(BACKPORTS, name="rc", suite="experimental", but_automatic_upgrades=False)
A1, A2, A3 = (Binary("a", version) for version in "123")


@dataclasses.dataclass(frozen=True)
class Case:
    """`lines` as `name/suites version architecture`; none where apt refuses to answer."""

    rule: str
    scenario: Scenario
    lines: list[str]
    refused: bool = False


def offering(archive: Archive, *binaries: Binary, component: str = "main", architecture: str = "amd64") -> Archive:
    """The archive with one more index."""
    return dataclasses.replace(archive, indexes={**archive.indexes, (component, architecture): binaries})


def image(installed: list[Binary], *archives: Archive, foreign: str = "", **files: str) -> Scenario:
    """An image with one line of sources per archive.

    Args:
        files: `sources` (instead of those lines), `pins`, `options`: texts of sources.list, preferences, apt.conf.
    """
    lines = "".join(
        f"deb {archive.uri} {archive.name} {' '.join(dict.fromkeys(component for component, _ in archive.indexes))}\n"
        for archive in archives
    )
    names = {"sources": "sources.list", "pins": "preferences", "options": "apt.conf"}
    texts = {f"etc/apt/{names[name]}": text for name, text in {"sources": lines, **files}.items()}
    return Scenario(tuple(installed), archives, {**texts, "var/lib/dpkg/arch": f"amd64\n{foreign}"})


def _pin(package: str, pin: str, priority: object) -> str:
    return f"Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n\n"


_GPG = ("gpg", "gpgv", "gpg2", "gpg-agent")
_held = dataclasses.replace(A1, status="hold ok installed")
_gone = dataclasses.replace(A1, status="deinstall ok config-files")
_half = dataclasses.replace(A1, status="install reinstreq half-installed")
_all = dataclasses.replace(A1, architecture="all")
_same, _same_2 = dataclasses.replace(A1, multi_arch="same"), dataclasses.replace(A2, multi_arch="same")
_i386, _i386_2 = (dataclasses.replace(binary, architecture="i386") for binary in (_same, _same_2))
_phased = dataclasses.replace(A2, phased=10)
_b1, _b2 = (Binary("libb", version, source="b") for version in "12")
_needs = Binary("a", "1", depends="libc6 (>= 2.36), b (<= 0:3)")
_needs_as_offered = Binary("a", "1", depends="libc6 (>=2.36),  b (< 3)")
_main, _security = offering(MAIN, A2), offering(SECURITY, A2)
_newer = offering(BACKPORTS, A3)
_never_stable = _pin("*", "release a=stable", -1)
_NEVER = "APT::Get::Never-Include-Phased-Updates true;\n"
_TWICE = f"deb {MAIN.uri} bookworm main\ndeb {SECURITY.uri} bookworm-security main\ndeb {MAIN.uri} bookworm contrib\n"
_two_components = offering(offering(MAIN, A2), A2, component="contrib")

CASES = [
    Case("suites of one version, in sources order", image([A1], _main, _security),
         ["a/stable,stable-security 2 amd64"]),
    Case("the other order", image([A1], _security, _main), ["a/stable-security,stable 2 amd64"]),
    Case("the highest version", image([A1], _main, offering(SECURITY, A3)), ["a/stable-security 3 amd64"]),
    Case("nothing newer", image([A3], _main, offering(SECURITY, A3)), []),
    Case("one suite in two lines", image([A1], _two_components, _security, sources=_TWICE),
         ["a/stable,stable,stable-security 2 amd64"]),
    Case("a suite without a name", image([A1], dataclasses.replace(_main, suite=None)), ["a/unknown 2 amd64"]),
    Case("names in order", image([Binary(name, "1") for name in _GPG],
         offering(MAIN, *(Binary(name, "2") for name in _GPG))),
         ["gpg-agent/stable 2 amd64", "gpg2/stable 2 amd64", "gpg/stable 2 amd64", "gpgv/stable 2 amd64"]),
    Case("a rebuild of the installed version", image([A1], offering(MAIN, _needs)), ["a/stable 1 amd64"]),
    Case("dpkg's way of writing is no rebuild", image([_needs], offering(MAIN, _needs_as_offered)), []),
    Case("another Multi-Arch is a rebuild", image([A1], offering(MAIN, _same)), ["a/stable 1 amd64"]),
    Case("held", image([_held], _main), ["a/stable 2 amd64"]),
    Case("configuration files only", image([_gone], _main), []),
    Case("half installed", image([_half], _main), ["a/stable 2 amd64"]),
    Case("not automatic, over a normal suite", image([A1], _main, _newer), ["a/stable 2 amd64"]),
    Case("not automatic, installed from the normal suite", image([A2], _main, _newer), []),
    Case("not automatic, but upgrades", image([A2], _newer), ["a/stable-backports 3 amd64"]),
    Case("not automatic at all", image([A2], offering(EXPERIMENTAL, A3)), []),
    Case("a negative pin by label", image([A1], offering(MAIN, A1), _security,
         pins=_pin("a", "release l=Debian-Security", -1)), []),
    Case("a pin of the installed", image([A1], _main, pins=_pin("*", "release a=now", 1000)), []),
    Case("a general pin", image([A1], _main, pins=_never_stable), []),
    Case("a specific pin over a general one", image([A1], _main, pins=_never_stable + _pin("a", "version 2", 600)),
         ["a/stable 2 amd64"]),
    Case("the first specific pin", image([A1], _main,
         pins=_pin("a", "version 2", -5) + _pin("a", "version 2", 600)), []),
    Case("never, after another pin", image([A1], _main,
         pins=_pin("*", "release *", 600) + _pin("*", "origin archive.example", "never")), []),
    Case("a pin that would downgrade", image([A3], _main, pins=_pin("*", "release *", 1001)), []),
    Case("a pin below 1000 to an older version", image([A2], offering(MAIN, A1), offering(SECURITY, A3),
         pins=_pin("a", "version 1", 999)), ["a/stable-security 3 amd64"]),
    Case("a pin by host", image([A1], _main, offering(SECURITY, A3), pins=_pin("*", 'origin "archive.example"', 900)),
         ["a/stable 2 amd64"]),
    Case("a pin by component", image([A1], _two_components, pins=_pin("*", "release c=contrib", -1)),
         ["a/stable,stable 2 amd64"]),
    Case("a glob", image([A1], _main, pins=_pin("?", "version *", -1)), []),
    Case("a regular expression", image([A1], _main, pins=_pin("/^(a|b)$/", "release v=12*", -1)), []),
    Case("a source pin", image([_b1], offering(MAIN, _b2), pins=_pin("src:b", "version 2", -1)), []),
    Case("a pin by name is no source pin", image([_b1], offering(MAIN, _b2), pins=_pin("b", "version 2", -1)),
         ["libb/stable 2 amd64"]),
    Case("a pin without an architecture is the native one's", image([_i386], offering(MAIN, _i386_2), foreign="i386",
         pins=_pin("a", "version 2", -1)), ["a/stable 2 i386"]),
    Case("a pin with any architecture", image([_i386], offering(MAIN, _i386_2), foreign="i386",
         pins=_pin("a:any", "version 2", -1)), []),
    Case("a pin of a kind that does not exist", image([A1], _main, pins=_pin("a", "codename x", -1)),
         ["a/stable 2 amd64"]),
    Case("a pin without a priority", image([A1], _main, pins="Package: a\nPin: version 2\n"), [], refused=True),
    Case("a pin without a package", image([A1], _main, pins="Pin: version 2\nPin-Priority: 1\n"), [], refused=True),
    Case("never for one package", image([A1], _main, pins=_pin("a", "version 2", "never")), [], refused=True),
    Case("a default release", image([A1], _main, offering(SECURITY, A3), options='APT::Default-Release "stable";'),
         ["a/stable 2 amd64"]),
    Case("a default release by codename", image([A1], _main, offering(SECURITY, A3),
         options='apt { default-release "n=bookworm"; };'), ["a/stable 2 amd64"]),
    Case("a default release that is not there", image([A1], _main,
         options='APT::Default-Release "sid";'), [], refused=True),
    Case("phased", image([A1], offering(MAIN, _phased)), ["a/stable 2 amd64"]),
    Case("phased, never taken, but without a policy", image([A1], offering(MAIN, _phased), options=_NEVER),
         ["a/stable 2 amd64"]),
    Case("phased, never taken, by policy", image([A1], offering(MAIN, _phased),
         options=_NEVER + "APT::Get::Phase-Policy true;"), []),
    Case("architecture all is the native one", image([_all], _main), ["a/stable 2 all"]),
    Case("two architectures", image([_same, _i386], offering(offering(MAIN, _same_2), _i386_2, architecture="i386"),
         foreign="i386"), ["a/stable 2 amd64", "a/stable 2 i386"]),
    Case("a foreign architecture that only one line asks for", image([_same, _i386],
         offering(offering(MAIN, _same_2), _i386_2, architecture="i386"),
         sources=f"deb [arch+=i386] {MAIN.uri} bookworm main"), ["a/stable 2 amd64", "a/stable 2 i386"]),
    Case("an architecture that no line asks for", image([_i386],
         offering(offering(MAIN, _same_2), _i386_2, architecture="i386")), []),
]  # fmt: skip
