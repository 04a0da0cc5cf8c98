"""JSON made to be read in two ways, or to take long: as manifest, configuration, list of tags, token and error."""

import time
from collections.abc import Callable

import pytest

from support.hostile import BLOBS, CONFIG, MANIFEST, OCI, TAGS, TOKEN, HostileRegistry, reply
from support.hostile_victim import READING, Victim
from support.world import World

MIB = 1 << 20
MOST_CPU_S = 20.0
"""Of this process, for the runs of one case together; what is not linear needs hours."""

NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" " * 1000,
    "half": b'{"schemaVersion": 2, "',
    "HTML": b"<html><body>not found</body></html>",
    "invalid UTF-8": b'{"a": "\xff\xfe"}',
    "invalid UTF-8 in a key": b'{"\xc3\x28": 1}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "surrogates in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "UTF-16": '{"schemaVersion": 2}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"schemaVersion": 2}',
    "half a surrogate": b'{"a": "\\ud800"}',
    "NaN": b'{"schemaVersion": NaN}',
    "Infinity": b'{"schemaVersion": -Infinity}',
    "comment": b'{"schemaVersion": 2 /* two */}',
    "trailing comma": b'{"schemaVersion": 2,}',
    "two documents": b'{"schemaVersion": 2} {"schemaVersion": 2}',
    "bytes after it": b'{"schemaVersion": 2}\x00\x00',
    "control characters": b'{"a": "\x01\x1b[31m"}',
    "single quotes": b"{'schemaVersion': 2}",
    "leading zeros": b'{"schemaVersion": 02}',
    "hexadecimal": b'{"schemaVersion": 0x2}',
    "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
    "NULs": bytes(1000),
    "escapes": b"\x1b[2J\x1b]0;owned\x07" * 20,
    "brackets": b"[" * 1_000_000,
    "braces": b'{"a":' * 500_000,
    "quotes": b'"' * 1_000_001,
    "backslashes": b'"' + b"\\" * 1_000_000,
    "strings that do not end": b'{"a": "' * 200_000,
}
ODD: dict[str, bytes] = {
    "deep nesting": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "65 levels": b"[" * 65 + b"]" * 65,
    "a key twice": b'{"schemaVersion": 2, "tags": [], "errors": [], "schemaVersion": 2}',
    "a key twice, escaped": b'{"token": "x", "\\u0074oken": "y", "schemaVersion": 2, "schema\\u0056ersion": 1}',
    "a key twice, deep inside": b'{"x": {"y": [{"z": 1, "z": 2}]}}',
    "a list": b"[1, 2, 3]",
    "a text": b'"text"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "a huge number": b'{"schemaVersion": 1' + b"0" * 5000 + b"}",
    "a number of a megabyte": b'{"schemaVersion": ' + b"9" * MIB + b"}",
    "a huge exponent": b'{"schemaVersion": 2e999999999}',
    "a tiny exponent": b'{"schemaVersion": 2e-999999999}',
    "minus zero": b'{"schemaVersion": -0}',
    "a float": b'{"schemaVersion": 2.5}',
    "a text for a number": b'{"schemaVersion": "2"}',
    "a text of a megabyte": b'{"schemaVersion": "' + b"x" * MIB + b'"}',
    "a key of a megabyte": b'{"' + b"x" * MIB + b'": 1}',
    "20,000 keys": b"{" + b", ".join(b'"k%d": 0' % n for n in range(20_000)) + b"}",
    "escapes that are long": b'{"schemaVersion": "' + b"\\u0061" * 100_000 + b'"}',
}
ALL = NOT_JSON | ODD
Put = Callable[[HostileRegistry, bytes], None]


@pytest.fixture(autouse=True)
def cpu() -> object:
    """What takes long takes it in this process."""
    started = time.process_time()
    yield
    assert time.process_time() - started < MOST_CPU_S


def few(victim: Victim, body: bytes) -> None:
    """What is large is tried with one login."""
    if len(body) > 50_000:
        victim.logins = ("bearer",)


@pytest.mark.parametrize("body", ALL.values(), ids=ALL)
def test_a_manifest(victim: Victim, body: bytes) -> None:
    victim.registry.tricks[MANIFEST] = reply(body, media_type=OCI)
    few(victim, body)
    victim.refuse(5)


@pytest.mark.parametrize("body", ALL.values(), ids=ALL)
def test_a_configuration(victim: Victim, good: World, body: bytes) -> None:
    victim.registry.image([good.layer()], change=lambda m: m.update(config=victim.registry.blob(body, CONFIG)))
    few(victim, body)
    victim.refuse(5, commands=("packages",))


HARMLESS_AS_TAGS = {
    name for name in ODD if name.startswith(("a huge", "a tiny", "minus", "a float", "a text of", "a number of"))
}
HARMLESS_AS_TAGS |= {
    "an empty object",
    "a text for a number",
    "a key of a megabyte",
    "20,000 keys",
    "escapes that are long",
}


@pytest.mark.parametrize("body", ALL.values(), ids=ALL)
def test_a_list_of_tags(victim: Victim, body: bytes, request: pytest.FixtureRequest) -> None:
    victim.registry.tricks[TAGS] = reply(body)
    few(victim, body)
    name = request.node.callspec.id
    for outcome in victim.every("tags"):
        if name in HARMLESS_AS_TAGS:
            assert (outcome.code, outcome.document["Tags"]) == (0, [])
        else:
            outcome.refused(5)


@pytest.mark.parametrize("body", ALL.values(), ids=ALL)
def test_a_token(victim: Victim, body: bytes) -> None:
    victim.registry.tricks[TOKEN] = reply(body)
    victim.logins = ("bearer",)
    victim.refuse((4, 5), commands=("packages", "tags"))


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize(
    "body", [body for body in ALL.values() if len(body) < 3000], ids=[n for n, b in ALL.items() if len(b) < 3000]
)
def test_an_error(victim: Victim, body: bytes, status: int) -> None:
    """What a registry says beside a refusal is shown where it is the specification's JSON, and else left out."""
    for path in (MANIFEST, TAGS):
        victim.registry.tricks[path] = reply(body, status)
    victim.logins = ("basic",)
    victim.refuse(4, f"HTTP {status}", commands=("packages", "tags"))


ERRORS = {
    "escapes": b'{"errors": [{"code": "\\u001b[31mX", "message": "\\u202e\\u0000\\u009b31m\\n\\nfake line"}]}',
    "long": b'{"errors": [{"code": "DENIED", "message": "' + b"x" * 100_000 + b'"}]}',
    "many": b'{"errors": [' + b", ".join([b'{"code": "DENIED", "message": "no"}'] * 3000) + b"]}",
    "a message of another kind": b'{"errors": [{"code": 1, "message": {"a": "b"}}]}',
    "deep": b'{"errors": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_what_an_error_says(victim: Victim, body: bytes) -> None:
    for path in (MANIFEST, TAGS):
        victim.registry.tricks[path] = reply(body, 403)
    few(victim, body)
    for outcome in victim.every(*READING, "tags"):
        assert len(outcome.refused(4, "HTTP 403")) < 1000


@pytest.mark.parametrize("size", [1 << 20, 9 << 20])
def test_an_error_that_is_long(victim: Victim, size: int) -> None:
    for path in (MANIFEST, TAGS):
        victim.registry.tricks[path] = reply(b" " * size, 404)
    victim.logins = ("basic",)
    victim.refuse((4, 5), commands=("packages", "tags"))


def test_a_blob_that_is_an_error_with_status_200(victim: Victim, good: World) -> None:
    promise = victim.registry.image([good.layer()])["layers"][0]
    victim.registry.tricks[f"{BLOBS}{promise['digest']}"] = reply(b'{"errors": [{"code": "BLOB_UNKNOWN"}]}')
    victim.refuse(5, "bytes were promised", commands=("packages", "assess"))
