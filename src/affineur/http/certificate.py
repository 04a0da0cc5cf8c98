"""Who a refused certificate says it is: for an error message, never for a decision.

RFC 5280 § 4.1: just enough DER to find subject, issuer and the end of validity.
"""

from collections.abc import Iterator

__all__ = ["described"]

_UTC_TIME, _CONTEXT_0 = 0x17, 0xA0
_SHOWN = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU", b"\x55\x04\x06": "C"}
_BMP_STRING = 0x1E
MAX_NAME = 200


def described(der: bytes) -> str:
    """`of CN=registry.example, issued by O=…, valid until 2026-01-02`; "" where the bytes cannot be read."""
    try:
        (_, certificate), *_ = _elements(der)
        (_, to_be_signed), *_ = _elements(certificate)
        fields = [field for field in _elements(to_be_signed) if field[0] != _CONTEXT_0]
        issuer, validity, subject = fields[2][1], fields[3][1], fields[4][1]
        _, (kind, until) = _elements(validity)
    except (ValueError, IndexError):
        return ""
    year = until[:2].decode("latin-1") if kind == _UTC_TIME else until[2:4].decode("latin-1")
    century = ("20" if year < "50" else "19") if kind == _UTC_TIME else until[:2].decode("latin-1")
    rest = until[2:] if kind == _UTC_TIME else until[4:]
    day = f"{century}{year}-{rest[:2].decode('latin-1')}-{rest[2:4].decode('latin-1')}"
    return f"of {_name(subject)}, issued by {_name(issuer)}, valid until {day}"


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element. Raises IndexError, ValueError."""
    position = 0
    while position < len(content):
        tag, length = content[position], content[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(content[position : position + count], "big")
            position += count
        if position + length > len(content):
            raise ValueError("cut short")
        yield tag, content[position : position + length]
        position += length


def _name(content: bytes) -> str:
    parts = []
    try:
        for _, one in _elements(content):
            for _, pair in _elements(one):
                (_, kind), (tag, value) = _elements(pair)
                if kind in _SHOWN:
                    text = value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", errors="replace")
                    parts.append(f"{_SHOWN[kind]}={text}")
    except (ValueError, IndexError):
        return "a name that cannot be read"
    joined = ", ".join(parts)[:MAX_NAME]
    return "".join(c if c.isprintable() else "?" for c in joined) or "nobody named"
