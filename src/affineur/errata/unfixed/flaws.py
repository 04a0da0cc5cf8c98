"""How bad a flaw is by its vendor's word on the flaw itself, whichever package has it, fixed or not.

A notice of updateinfo.xml rates itself, and names CVEs without a word on each; the vendor's documents on the CVEs have
that word, and CVSS vectors. Pure.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from affineur.errors import LimitExceeded, MalformedDatabase

if TYPE_CHECKING:
    from affineur.store.feeds import FeedIndex

__all__ = ["Flaw", "Flaws", "rated"]

MAX_FLAWS = 2_000_000
"""Of one feed; there are some 300,000 CVEs."""
_FLAW = "flaw"


class Flaw(msgspec.Struct, frozen=True, array_like=True):
    """What a vendor says of one CVE.

    Attributes:
        word: its own word for the severity; empty where it gives none.
        score: the highest base score of the CVSS vectors that it gives; None where it gives none.
    """

    word: str = ""
    score: float | None = None


class Flaws:
    """Gathers what is said of flaws as documents pass, and gives index entries at the end."""

    def __init__(self) -> None:
        self._gathered: dict[str, bytes] = {}
        self._encode = msgspec.json.Encoder().encode

    def add(self, cve: str, flaw: Flaw) -> None:
        """One more. Raises LimitExceeded where there are more than there can be."""
        self._gathered[cve] = self._encode(flaw)
        if len(self._gathered) > MAX_FLAWS:
            raise LimitExceeded(f"more than {MAX_FLAWS} rated flaws")

    def __len__(self) -> int:
        return len(self._gathered)

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """Give the index entries."""
        for cve, body in self._gathered.items():
            yield f"{_FLAW}\0{cve}", body


def rated(index: "FeedIndex", cves: Collection[str]) -> dict[str, Flaw]:
    """What is said of these CVEs, of those that anything is said of.

    Raises:
        MalformedDatabase: the index is damaged.
    """
    decoder = msgspec.json.Decoder(Flaw)
    try:
        found = index.entries([f"{_FLAW}\0{cve}" for cve in cves])
        return {key.partition("\0")[2]: decoder.decode(body) for key, body in found}
    except msgspec.DecodeError as error:
        raise MalformedDatabase("the index of rated flaws", 0, str(error)) from error
