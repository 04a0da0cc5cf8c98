"""A security database of apk's distributions: which version of which source fixes which flaws. Parsing only.

Format: https://secdb.alpinelinux.org (alpine-secdb), as Wolfi and Chainguard publish theirs, too:

    {"packages": [{"pkg": {"name": "openssl", "secfixes": {"1.1.1t-r0": ["CVE-2023-0286", …], "0": ["CVE-…"]}}}]}

The version `0` lists flaws that the package never had. An entry may be several words, `CVE-2019-14697 XSA-123`, and may
end in remarks.
"""

import re
from collections.abc import Iterator

import msgspec

from affineur.errata.erratum import Fix
from affineur.errors import LimitExceeded, MalformedDocument
from affineur.packages.versions.apk import valid

__all__ = ["SecFix", "read_secdb"]

MAX_BYTES = 128 * 1024 * 1024  # Wolfi's has some 10 MB
MAX_FIXES = 1_000_000
MAX_IDS = 1_000  # of one version; kernels have some hundreds
NEVER = "0"

_ID = re.compile(r"(?:CVE-[0-9]{4}-[0-9]{4,19}|[A-Z][A-Za-z]{1,11}-[A-Za-z0-9][A-Za-z0-9-]{0,40})\Z")


class SecFix(msgspec.Struct, frozen=True, array_like=True):
    """One version that fixes something.

    Attributes:
        ids: CVE-…, GHSA-…, XSA-… and whatever else has the form of an id, in their order.
        readable: False where the version is none, so that nobody can say who lacks it.
    """

    source: str
    version: str
    ids: tuple[str, ...]
    readable: bool = True

    @property
    def cves(self) -> tuple[str, ...]:
        """Those of the ids that are CVEs."""
        return tuple(each for each in self.ids if each.startswith("CVE-"))

    @property
    def fix(self) -> Fix:
        """The version that carries it."""
        return Fix(self.source, self.version)


class _Package(msgspec.Struct):
    name: str
    secfixes: dict[str, list[str] | None] | None = None


class _Entry(msgspec.Struct):
    pkg: _Package


class _Database(msgspec.Struct):
    packages: list[_Entry] | None


_DECODER = msgspec.json.Decoder(_Database)


def read_secdb(content: bytes, source: str) -> Iterator[SecFix]:
    """Yield every fix, in the file's order; what never had a flaw is left out.

    Raises:
        MalformedDocument: it is not JSON, or not of this format.
        LimitExceeded: more than the limits above.
    """
    if len(content) > MAX_BYTES:
        raise LimitExceeded(f"{source}: larger than {MAX_BYTES} bytes")
    try:
        database = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"{source}: no security database: {error}") from error
    count = 0
    for entry in database.packages or ():
        for version, texts in (entry.pkg.secfixes or {}).items():
            count += 1
            if count > MAX_FIXES:
                raise LimitExceeded(f"{source}: more than {MAX_FIXES} fixes")
            version = version.strip()
            words = [word.strip("(),;:") for text in texts or () for word in text.split()]
            ids = tuple(dict.fromkeys(word for word in words if _ID.match(word)))
            if len(ids) > MAX_IDS:
                raise LimitExceeded(f"{source}: more than {MAX_IDS} flaws of one version")
            if version != NEVER and ids:
                yield SecFix(entry.pkg.name, version, ids, valid(version))
