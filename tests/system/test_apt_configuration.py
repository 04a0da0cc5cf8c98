"""Configuration files good and bad: what we make of them, and what the real apt does."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affineur.repositories.apt.aptconf import MalformedConfiguration, Options
from affineur.repositories.apt.configuration import read_configuration
from support.apt import AptRoot, needs_apt

pytestmark = pytest.mark.system

MADE = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
_KEY = "ABCDEF0123456789ABCDEF0123456789ABCDEF01"
_BLANK = st.sampled_from((" ", "  ", "\t"))
_OPTION = st.sampled_from(
    ("arch=amd64", "arch=i386,amd64", "arch+=i386", "arch-=amd64", "arch+=armhf", "arch=", "trusted=yes", "trusted=no",
     "trusted=maybe", "signed-by=/k.gpg", "signed-by=/k.gpg,/l.gpg", f"signed-by={_KEY}", f"signed-by={_KEY.lower()}!",
     "signed-by=short", "by-hash=force", "check-valid-until=no", "allow-insecure=yes", "lang=en", "arch=all",
     'signed-by="/a"', "unknown=x")
)  # fmt: skip
_ODD_LINES = (
    "", "# deb http://x/ y z", "   ", "\t# hi", "deb http://c.example/d s main # trailing", "deb http://x.example/",
    "deb-src http://a.example/ s1 main", "deb-src [signed-by=/k.gpg] http://b.example/ s2 main", "deb",
    "rpm http://x/ y z",
    "deb http://x.example/ s", "deb x s main", 'deb "http://q.example/a b" s main',
    "deb http://a%20b.example/%41/ s main",
    "deb http://x.example/$(ARCH) s/$(ARCH)/", "deb http://x.example/ ./ main", "deb http://x.example/ /",
    "deb http://x.example/ s-$(ARCH) main", "deb [arch=amd64 http://x s main", "deb [] http://x.example/ s main",
    "deb [x] http://x.example/ s main", "  deb http://lead.example/ s main  ", "deb\thttp://tab.example/\ts\tmain",
    "deb http://h.example s#x main", "deb [arch=amd64#x] http://h.example s main", "deb file:/srv/x s main",
    "deb http://u:p@h.example:80/x/ s main", "deb [arch=amd64]http://x.example s main",
    "deb[arch=amd64] http://x.example s main",
)  # fmt: skip


@st.composite
def _line(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(_ODD_LINES))
    blank = draw(_BLANK)
    options = draw(st.lists(_OPTION, max_size=2))
    bracket = f"[{draw(_BLANK)}{blank.join(options)}]{blank}" if options else ""
    suite = draw(st.sampled_from(("s1", "s2", "s1/updates", "./", "sub/")))
    components = "" if suite.endswith("/") else blank + draw(st.sampled_from(("main", "main contrib", "non-free/x")))
    return f"deb{blank}{bracket}http://{draw(st.sampled_from('ab'))}.example/{blank}{suite}{components}"


_FIELD_LINES = {
    "Types": ("Types: deb", "Types: deb", "Types: deb deb-src", "Types:\n deb", "types: deb-src", "Types: rpm",
             "Types:  "),
    "URIs": ("URIs: http://a.example/", "URIs: http://b.example/x http://c.example/y", "URIs: nocolon",
             "URIs: http://a.example/\n http://b.example"),
    "Suites": ("Suites: s1", "Suites: s1 s2", "Suites: s-$(ARCH)", "Suites: ./"),
    "Components": ("Components: main", "Components: main contrib", "Components: main\n# why\n contrib"),
}  # fmt: skip
_MORE_FIELDS = (
    "Enabled: no", "Enabled: yes", "enabled: false", "Enabled: maybe", "Architectures: amd64",
    "Architectures: i386 amd64",
    "Architectures-Add: armhf", "Architectures-Remove: i386", "Trusted: yes", "TRUSTED: no", "Trusted :yes",
    "Signed-By: /k.gpg /l.gpg", f"Signed-By: {_KEY}", "Signed-By: nope", "# comment", "By-Hash: force", "X-Foo: bar",
    "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n -----END PGP PUBLIC KEY BLOCK-----",
    "Description: x\n  y\n# c\n  z", "a line without a colon", " a continuation of nothing",
)  # fmt: skip


@st.composite
def _stanza(draw: st.DrawFn) -> str:
    lines = [draw(st.sampled_from(choices)) for choices in _FIELD_LINES.values() if draw(st.integers(0, 15))]
    lines += draw(st.lists(st.sampled_from(_MORE_FIELDS), max_size=2))
    return "\n".join(draw(st.permutations(lines))) + "\n"


_LIST = st.lists(_line(), max_size=3).map("\n".join)
_STANZAS = st.lists(_stanza(), min_size=1, max_size=2).map("\n".join)


@st.composite
def _sources(draw: st.DrawFn) -> dict[str, bytes]:
    files = {"var/lib/dpkg/arch": draw(st.sampled_from(("amd64\n", "amd64\ni386\n")))}
    if draw(st.booleans()):
        files["etc/apt/sources.list"] = draw(_LIST)
    names = ("a.list", "B.list", "b.sources", "c.sources", "d.list.save", "e.list.", "f~.list", ".g.list", "h",
             "i.sources.list", "j,k.list", "10-x.list", "9-x.list", "x:y.list", "sub/z.list", "ü.list")  # fmt: skip
    for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=3)):
        files[f"etc/apt/sources.list.d/{name}"] = draw(_STANZAS if name.endswith(".sources") else _LIST)
    return {path: text.encode() for path, text in files.items()}


def _indexes(files: dict[str, bytes]) -> set[str]:
    """The Packages files that apt would ask for."""
    configuration = read_configuration(files, "amd64")
    found = set()
    for entry in configuration.sources:
        architectures = configuration.architectures if entry.architectures is None else entry.architectures
        if entry.suite.endswith("/"):
            found.add(entry.uri + ("" if entry.suite == "/" else entry.suite) + "Packages")
        for component in entry.components:
            for architecture in (*architectures, "all"):
                found.add(f"{entry.uri}dists/{entry.suite}/{component}/binary-{architecture}/Packages")
    return found


@MADE
@given(_sources())
def test_sources_are_read_or_refused_as_apt_does(files: dict[str, bytes]) -> None:
    needs_apt()
    with tempfile.TemporaryDirectory() as folder:
        asked, errors = AptRoot(Path(folder), files).asked()
    assert bool(errors) == bool(read_configuration(files, "amd64").unanswerable), errors
    if not errors:
        assert _indexes(files) == asked


_NAMES = st.sampled_from(("X::A", "x::b", "X::L::", "X::L", "Y::Z::W", "X::A::", "X::M::k"))
_VALUES = st.sampled_from(
    ('"v"', '"a,b"', "w", '"sp ace"', '""', '"x" "y"', '"semi;colon"', '"br{ace"', '"//no"', '"#no"', '"/*no*/"',
     '"1";"2"', "a%20b", "[br ack]", '"multi', 'x"y z"w')
)  # fmt: skip
_ODD_STATEMENTS = st.sampled_from(
    ('"a";', '// comment "q" ; {', "# comment", "/* c ; */", '/* multi\n line */ X::P "1";', "#clear X;",
    "#clear X::L;",
     "#clear x::a;", "#clear nope;", "#clear;", "#foo x;", "}", "X::A", "X::A v1 v2;", "{ a; };", ";")
)  # fmt: skip
_STATEMENTS = st.recursive(
    st.one_of(
        st.builds(lambda name, blank, value: f"{name}{blank}{value};", _NAMES, st.sampled_from(" \n\t"), _VALUES),
        _ODD_STATEMENTS,
    ),
    lambda inner: st.builds(
        lambda name, value, inside, blank, end: f"{name} {value}{{{blank}{inside}{blank}}}{end}",
        st.sampled_from(("X", "Y", "L", "X::Q")),
        st.sampled_from(("", '"val" ')),
        st.lists(inner, max_size=2).map("\n".join),
        st.sampled_from(("\n", " ")),
        st.sampled_from((";", "", " ;", ";;")),
    ),
    max_leaves=4,
)


@MADE
@given(st.lists(_STATEMENTS, min_size=1, max_size=6).map("\n".join))
def test_options_are_read_or_refused_as_apt_does(text: str) -> None:
    needs_apt()
    with tempfile.TemporaryDirectory() as folder:
        dumped, errors = AptRoot(Path(folder), {"etc/apt/apt.conf": text.encode()}).options("X", "Y")
    options = Options()
    if errors:
        with pytest.raises(MalformedConfiguration):
            options.read(text)
        return
    options.read(text)
    for name, value in dumped:
        if value and not name.endswith("::"):
            assert options.text(name) == value
    for name in {name[:-2] for name, _ in dumped if name.endswith("::")}:
        if options.text(name) is None:
            assert set(options.entries(name) or ()) >= {value for other, value in dumped if other == f"{name}::"}
