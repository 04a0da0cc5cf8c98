"""Bent input: what honest examples become under the hands of chance. The same number gives the same bytes."""

import random
import re
from collections.abc import Callable, Sequence

__all__ = ["mutated"]

MAX_BYTES = 1 << 18
HUGE = (b"-1", b"0", b"2147483648", b"9223372036854775808", b"1e309", b"1" * 400, b"-0.0", b"007")
TOKENS = (
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"@",
        b"/",
        b"=",
        b"#",
        b"\0",
        b"\n",
        b"\r\n",
        b"..",
        b"%",
        b"<",
        b">",
    ),
    *(b"null", b"true", b"\\u0000", b"\\ud800", b"\xff", b"\xc3\x28", "\u202e".encode(), "ſ".encode(), b"\x1b["),
    *(b"sha256:", b"sha512:", b"docker://", b"https://", b"//", b'rel="next"', b"Bearer ", b"realm=", b"scope="),
    *(b'"schemaVersion":1', b'"signatures":[]', b'"manifests":[]', b'"layers":[]', b'"data":"e30="', b'"mediaType":""'),
    *(b"ustar\x0000", b"ustar  \0", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"PaxHeader", b"././@LongLink"),
)
_NUMBER = re.compile(rb"[0-9]+")
_MEMBER = re.compile(rb'"(?:[^"\\]|\\.){1,80}"\s*:\s*(?:"(?:[^"\\]|\\.){0,200}"|[0-9]+|\{\}|\[\])')


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """One of the seeds, changed in one to six ways that `number` decides; at most MAX_BYTES."""
    chance = random.Random(number)
    content = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        content = chance.choice(_WAYS)(content, seeds, chance)[:MAX_BYTES]
    return content


def _somewhere(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + int(chance.expovariate(1 / 16)))


def _bit(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    if not content:
        return b"\1"
    position = chance.randrange(len(content))
    return content[:position] + bytes([content[position] ^ 1 << chance.randrange(8)]) + content[position + 1 :]


def _cut_short(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _left_out(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _somewhere(content, chance)
    return content[:start] + content[end:]


def _repeated(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _somewhere(content, chance)
    return content[:start] + content[start:end] * chance.choice((2, 3, 50, 5000)) + content[end:]


def _spliced(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(seeds)
    return content[: _somewhere(content, chance)[0]] + other[_somewhere(other, chance)[0] :]


def _token(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _somewhere(content, chance)
    return content[:start] + chance.choice(TOKENS) + content[chance.choice((start, end)) :]


def _number(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    found = list(_NUMBER.finditer(content[:65536]))
    if not found:
        return content
    one = chance.choice(found)
    return content[: one.start()] + chance.choice(HUGE) + content[one.end() :]


def _member_twice(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """A JSON member a second time, there or elsewhere, sometimes in another spelling."""
    found = list(_MEMBER.finditer(content[:65536]))
    if not found:
        return content
    one = chance.choice(found)
    member = chance.choice((one[0], one[0].swapcase(), one[0].replace(b"s", "ſ".encode())))
    position = chance.choice(found).start()
    return content[:position] + member + b"," + content[position:]


def _nested(content: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _somewhere(content, chance)
    depth = chance.choice((2, 70, 3000, 100_000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"a.", b"")))
    return content[:start] + opening * depth + content[start:end] + closing * depth + content[end:]


_WAYS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_bit, _bit, _cut_short, _left_out, _repeated, _spliced, _token, _token, _number, _member_twice, _nested),
)
