"""Who a refused certificate says it is: for an error message, never for a decision.

RFC 5280 § 4.1: just enough DER to find subject, issuer, validity and the names of § 4.2.1.6.
"""

import ipaddress
from collections.abc import Iterator

__all__ = ["described"]

_UTC_TIME, _CONTEXT_0, _EXTENSIONS, _DNS_NAME, _IP_ADDRESS = 0x17, 0xA0, 0xA3, 0x82, 0x87
_SHOWN = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU", b"\x55\x04\x06": "C"}
_SUBJECT_ALTERNATIVE = b"\x55\x1d\x11"
_BMP_STRING = 0x1E
MAX_NAME = 200
MAX_NAMES = 8
"""Host names of a certificate that are shown."""


def described(der: bytes) -> str:
    """`of CN=a, issued by O=b, valid from 2026-01-02 until 2026-04-02, for a.example, 192.0.2.1`; "" if unreadable."""
    try:
        (_, certificate), *_ = _elements(der)
        (_, to_be_signed), *_ = _elements(certificate)
        fields = [field for field in _elements(to_be_signed) if field[0] != _CONTEXT_0]
        issuer, validity, subject = fields[2][1], fields[3][1], fields[4][1]
        since, until = (_day(*moment) for moment in _elements(validity))
        names = _host_names(next((content for tag, content in fields if tag == _EXTENSIONS), b""))
    except (ValueError, IndexError):
        return ""
    for_whom = f"for {', '.join(names)}" if names else "for no host name"
    return f"of {_name(subject)}, issued by {_name(issuer)}, valid from {since} until {until}, {for_whom}"


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


def _day(kind: int, moment: bytes) -> str:
    """RFC 5280 § 4.1.2.5: YYMMDD… up to 2049, YYYYMMDD… from 2050."""
    text = moment.decode("latin-1")
    if kind == _UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    if not text[:8].isdigit():
        raise ValueError("no time")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}"


def _host_names(extensions: bytes) -> list[str]:
    names: list[str] = []
    for _, sequence in _elements(extensions):
        for _, extension in _elements(sequence):
            (_, kind), *rest = _elements(extension)
            if kind != _SUBJECT_ALTERNATIVE:
                continue
            for _, general in _elements(rest[-1][1]):
                for tag, value in _elements(general):
                    if tag == _DNS_NAME:
                        names.append(_printable(value.decode("latin-1")[:MAX_NAME]))
                    elif tag == _IP_ADDRESS:
                        names.append(str(ipaddress.ip_address(value)))
    more = [f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return names[:MAX_NAMES] + more


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
    return _printable(", ".join(parts)[:MAX_NAME]) or "nobody named"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
