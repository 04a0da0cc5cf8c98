import contextlib
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.oci.document import MAX_DEPTH, MAX_DOCUMENT_BYTES, decoded


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "b": [{"c": 1}], "a": 2}}',
        b'{"digest": 1, "dig\\u0065st": 2}',
        b'{"a":1,"\\u0061"\n\t:2}',
        b'[{"b": 1, "c": {"b": 1}, "b": 2}]',
    ],
)
def test_a_key_that_occurs_twice_is_refused(text: bytes) -> None:
    """RFC 8259 § 4: what such an object means differs between implementations."""
    with pytest.raises(MalformedDocument, match="occurs twice"):
        decoded(text, dict[str, Any] if text.startswith(b"{") else list[Any], "x")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": {"a": {"a": 1}}}',
        b'[{"a": 1}, {"a": 1}]',
        b'{"a": "a\\"", "b": ["a", "a", "b:"], "c": "\\\\"}',
        b'{"a": "{", "b": "}", "c": "\\"a\\":"}',
    ],
)
def test_the_same_name_elsewhere_is_not_twice(text: bytes) -> None:
    assert decoded(text, Any, "x") == msgspec.json.decode(text)


@pytest.mark.parametrize("text", [b'{"a": "\xff"}', b'{"a": {"b": ["\xc3("]}}', b'{"\xe4": 1}', b'["\xed\xa0\x80"]'])
def test_what_is_no_utf_8_is_refused_even_where_nobody_looks(text: bytes) -> None:
    """RFC 8259 § 8.1. Found by fuzzing: strings that are passed over were not looked into."""
    with pytest.raises(MalformedDocument):
        decoded(text, msgspec.Raw, "x")


def test_deep_nesting_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(LimitExceeded, match="nested"):
        decoded(b"[" * 1_000_000, list[Any], "x")


def test_nesting_within_the_limit_is_read() -> None:
    assert decoded(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, list[Any], "x")


def test_too_large_a_document_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        decoded(b" " * MAX_DOCUMENT_BYTES + b"{}", dict[str, Any], "x")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a"', b'{"a": 1}}', b"\xff\xfe", b'{"a": "\xff"}', b'{"\xff": 1}', b'{"a": "\\', b"]", b'"\\ud800"'],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedDocument):
        decoded(text, dict[str, Any], "x")


@pytest.mark.parametrize(
    "text",
    [
        b'"\\' * 1_000_000,
        b'"' * 1_000_000,
        b'"   ' * 300_000,
        b'["' + b'\\"' * 1_000_000 + b'"]',
        b'"a"' + b" " * 1_000_000,
    ],
    ids=["backslashes", "quotes", "spaces", "escapes", "a long tail"],
)
def test_no_document_takes_more_than_linear_time(text: bytes) -> None:
    """Seconds where this is done badly, milliseconds else; the limit only tells the two apart."""
    started = time.process_time()
    with contextlib.suppress(MalformedDocument):
        decoded(text, list[Any], "x")
    assert time.process_time() - started < 5


KEYS = st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_a_document_without_duplicates_is_what_the_standard_library_reads(value: dict[str, Any]) -> None:
    import json

    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert decoded(text.encode(errors="surrogatepass"), dict[str, Any], "x") == json.loads(text)


FIRST_AT_ONCE = """
import sys, threading
import msgspec
from affineur.oci.document import decoded

sys.setswitchinterval(1e-6)

def shape():
    inner = msgspec.defstruct("Inner", [("x", "int | None", None), ("y", "list[str] | None", None)])
    return msgspec.defstruct("Outer", [("a", list[inner]), ("b", inner | None, None), ("c", "int | None", None)])

def read(kind, barrier):
    barrier.wait()
    decoded(b'{"a":[{"x":1,"y":["z"]}],"b":{"x":2},"c":3}', kind, "x")

for _ in range(300):
    kind, barrier = shape(), threading.Barrier(8)
    threads = [threading.Thread(target=read, args=(kind, barrier)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_may_decode_the_same_shape_for_the_first_time() -> None:
    """msgspec 0.22 crashes there; so it did in one of some hundred copies on a busy machine."""
    done = subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
