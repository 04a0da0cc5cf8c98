"""modules.yaml: what is read of it, and what hostile documents cost. Which streams are active: test_choose.py."""

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd import activation, modules
from affineur.repositories.rpmmd.activation import activated, defaults_of
from affineur.repositories.rpmmd.model import ModuleState
from affineur.repositories.rpmmd.modules import Default, Modules, ModuleStream, read_modules

# the form of fedora-modularity's yaml_specs, version 2 and 1, and of the defaults
DOCUMENT = b"""---
document: modulemd
version: 2
data:
  name: nodejs
  stream: 10
  version: 8000020190718
  context: "0123abcd"
  arch: x86_64
  summary: >-
    Javascript: runtime
  dependencies:
  - buildrequires:
      platform: [el8]
    requires:
      platform: [el8, -el7]
      python: []
  profiles:
    common:
      rpms: [nodejs]
  artifacts:
    rpms:
    - nodejs-1:10.16.0-2.module+el8.x86_64
    - npm-1:6.9.0-1.10.16.0.2.module+el8.x86_64
...
---
document: modulemd
version: 1
data:
  name: old
  stream: 1.10
  dependencies:
    requires: {platform: f29}
...
---
document: modulemd-defaults
version: 1
data:
  module: nodejs
  modified: 201907
  stream: 10
  profiles:
    10: [common]
...
---
document: modulemd-defaults
version: 1
data: {module: none, profiles: {}}
...
---
document: modulemd-obsoletes
version: 1
data: {modified: 2020-05-01T00:00Z, module: nodejs}
...
---
document: modulemd-translations
data: {}
"""


def test_streams_and_defaults_are_read() -> None:
    assert read_modules(DOCUMENT) == Modules(
        (
            ModuleStream(
                "nodejs",
                "10",
                8000020190718,
                "0123abcd",
                "x86_64",
                frozenset({"nodejs-1:10.16.0-2.module+el8.x86_64", "npm-1:6.9.0-1.10.16.0.2.module+el8.x86_64"}),
                (("platform", ("-el7", "el8")), ("python", ())),
            ),
            ModuleStream("old", "1.10", 0, "", "", frozenset(), (("platform", ("f29",)),)),
        ),
        {"nodejs": Default(201907, "10"), "none": Default(0, "")},
    )


@pytest.mark.parametrize("content", [b"", b"---\n...\n", b"# nothing\n"])
def test_an_empty_file_has_none(content: bytes) -> None:
    if content.startswith(b"---"):  # a document that is nothing
        with pytest.raises(MalformedDocument):
            read_modules(content)
    else:
        assert read_modules(content) == Modules()


@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"\xff\xfe\x00",
        b"- a",
        b"a: [",
        b"a: &x b\nc: *x",
        b"a: &a [&b [x, x], *b, *b]",
        b"? [a]\n: b",
        b"%YAML 9.9\n---\na",
        b"document: modulemd\ndata: []",
        b"document: modulemd\ndata: {stream: 1}",
        b"document: modulemd\ndata: {name: {}, stream: 1}",
        b"document: modulemd\ndata: {name: a, stream: 1, version: x}",
        b"document: modulemd\ndata: {name: a, stream: 1, version: 1" + b"0" * 5_000 + b"}",
        b"document: modulemd\ndata: {name: a, stream: 1, artifacts: {rpms: [[]]}}",
        b"document: modulemd\ndata: {name: a, stream: 1, dependencies: [{requires: {b: [{}]}}]}",
        b"document: modulemd-defaults\ndata: {stream: 1}",
    ],
)
def test_what_breaks_the_format_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read_modules(content)


@pytest.mark.parametrize(
    ("name", "limit", "content"),
    [
        ("MAX_BYTES", 10, DOCUMENT),
        ("MAX_DOCUMENTS", 2, DOCUMENT),
        ("MAX_EVENTS", 20, DOCUMENT),
        ("MAX_DEPTH", 32, b"a: " + b"[" * 5_000),
        ("MAX_DEPTH", 32, b"{a: " * 5_000),
        ("MAX_TEXT", 5, DOCUMENT),
    ],
)
def test_limits(name: str, limit: int, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, name, limit)
    with pytest.raises(ContentError):
        read_modules(content)


def stream(name: str, number: str, *requires: tuple[str, tuple[str, ...]], context: str = "c") -> ModuleStream:
    return ModuleStream(name, number, 1, context, "x86_64", frozenset(), requires)


def test_requirements_of_requirements_without_end() -> None:
    chain = [stream(f"m{number:04}", "1", (f"m{number + 1:04}", ("1",))) for number in range(5_000)]
    found = activated([Modules(tuple(chain))], [ModuleState("m0000", "1", "enabled")], "")
    assert found.streams == ()
    assert "too intricate" in found.problems[0]


def test_a_search_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each module may have any of many streams, and the last requirement can never be had."""
    names = [f"m{number:02}" for number in range(20)]
    streams = [stream(name, str(number)) for name in names for number in range(9)]
    wants = [(name, ()) for name in names]
    streams.append(stream("all", "1", *wants, ("nowhere", ("1",))))
    monkeypatch.setattr(activation, "MAX_STEPS", 2_000)
    found = activated([Modules(tuple(streams))], [ModuleState("all", "1", "enabled")], "")
    assert found.streams == ()
    assert found.problems


def test_a_cycle_of_requirements_is_none() -> None:
    streams = stream("a", "1", ("b", ("1",))), stream("b", "1", ("a", ("1",)))
    assert activated([Modules(streams, {"a": Default(1, "1")})], [], "").streams == streams


def test_two_defaults_of_the_same_time_are_none_for_good() -> None:
    each = [Modules((), {"m": Default(1, number)}) for number in ("1", "2", "1")]
    assert defaults_of(each) == {}
    assert defaults_of([*each, Modules((), {"m": Default(2, "3")})]) == {"m": "3"}


def test_limits_are_limits() -> None:
    with pytest.raises(LimitExceeded):
        read_modules(b"document: x\n" * 1 + b"a: " + b"x" * (64 << 20))
