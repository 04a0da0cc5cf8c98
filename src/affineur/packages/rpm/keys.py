"""The keys that an rpm database holds: packages signed by them install without a question (`rpm --import`)."""

import binascii
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from affineur.packages.rpm.database import DATABASE_MAX, JOURNAL, RPM, headers, is_key
from affineur.packages.rpm.signature import key_fingerprint

__all__ = ["RPM_KEYS", "HeldKey", "keys"]

KEY_MAX = 1024 * 1024
"""Characters of one armoured key; a longer one is named, and not decoded."""

_VERSION, _SUMMARY, _DESCRIPTION = 1001, 1004, 1005
_ARMOUR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t\r]*\n(?:[^\n]*: [^\n]*\n)*\s*([A-Za-z0-9+/=\s]+?)\s*(?:\n=|-----END)"
)


class HeldKey(msgspec.Struct, frozen=True):
    """A key that rpm was given, which no one need have verified.

    Attributes:
        key_id: 16 hex digits in lower case; only the 8 that rpm files it under where its packets do not tell more.
        fingerprint: in lower case; empty where it could not be computed.
        owner: what rpm has as its summary: `gpg(Name <address>)` or the like.
        armor: the key as it was imported; empty where the record has none.
    """

    key_id: str
    fingerprint: str
    owner: str
    armor: str


def keys(path: str, content: bytes, journal: bytes = b"") -> Iterator[HeldKey]:
    """The keys of one database. Arguments and errors as of `headers`."""
    for header in headers(path, content, journal):
        if is_key(header):
            armor = header.text(_DESCRIPTION)
            fingerprint = _fingerprint(armor)
            key_id = fingerprint[:16] if len(fingerprint) == 64 else fingerprint[-16:]
            yield HeldKey(key_id or header.text(_VERSION).lower()[-16:], fingerprint, header.text(_SUMMARY), armor)


class RpmKeys:
    """Reads the keys, for a walk that wants them; a SQLite database's log is not looked into."""

    name: ClassVar[str] = "rpm keys"
    version: ClassVar[int] = 1
    paths: ClassVar[tuple[str, ...]] = tuple(path for path in RPM.paths if not path.endswith(JOURNAL))
    limit: ClassVar[int] = DATABASE_MAX
    facts_type: ClassVar[Any] = list[HeldKey]
    settled_by: ClassVar[tuple[str, ...]] = paths

    def extract(self, path: str, content: bytes) -> list[HeldKey]:
        """The keys of one file. Errors as of `headers`."""
        return list(keys(path, content))


RPM_KEYS = RpmKeys()


def _fingerprint(armor: str) -> str:
    found = _ARMOUR.search(armor) if len(armor) <= KEY_MAX else None
    if found is None:
        return ""
    try:
        return key_fingerprint(binascii.a2b_base64(found[1]))
    except ValueError:
        return ""
