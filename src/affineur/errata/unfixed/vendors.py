"""Whose word is read of flaws without a fix, and in which format."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from affineur.errata.archive import Record
from affineur.errata.unfixed import csaf, ubuntuvex
from affineur.errata.unfixed.debiantracker import tracked
from affineur.errata.unfixed.flaws import Flaw, Flaws
from affineur.errata.unfixed.statements import Statement, Statements
from affineur.errors import MalformedDocument
from affineur.packages.osrelease import Release

__all__ = ["READER", "VENDORS", "Read", "Vendor", "index_name", "read", "version_of"]

READER = "2"
"""Raised whenever what is kept of a vendor's word changes."""
MAX_BROKEN_NAMED = 20


class Vendor(NamedTuple):
    """One vendor's published word.

    Attributes:
        name: key of the setting `feeds.unfixed`.
        called: for people.
        documents: reads one document of many (OpenVEX, CSAF); None where there is one only, Debian's.
        words: the vendor's words for severities in severities.toml, and how they are called.
        release: the name that it gives a release, empty where it cannot be told.
        missing: why there is nothing to read unless the user says where.
        rated: reads of one document what it says of flaws themselves; None where it says nothing.
    """

    name: str
    called: str
    documents: Callable[[bytes], Iterator[tuple[str, str, Statement]]] | None
    words: tuple[str, str]
    release: Callable[[Release], str]
    missing: str
    rated: Callable[[bytes], Iterator[tuple[str, Flaw]]] | None = None


class Read:
    """What passed while a vendor's word was read."""

    def __init__(self) -> None:
        self.statements = Statements()
        self.flaws = Flaws()
        self.documents = 0
        self.broken: list[str] = []
        self.unread = 0


def _codename(release: Release) -> str:
    return release.codename


def _major(release: Release) -> str:
    return release.version_id.partition(".")[0]


VENDORS = {
    "debian": Vendor(
        "debian",
        "Debian's security tracker",
        None,
        ("debian", "Debian urgency"),
        _codename,
        "the settings name no copy of Debian's security tracker (feeds.unfixed.debian)",
    ),
    "ubuntu": Vendor(
        "ubuntu",
        "Ubuntu's VEX",
        ubuntuvex.stated,
        ("ubuntu", "Ubuntu priority"),
        _codename,
        "the settings name no folder or archive of Ubuntu's VEX documents (feeds.unfixed.ubuntu)",
    ),
    "rhel": Vendor(
        "redhat",
        "Red Hat's VEX",
        csaf.stated,
        ("updateinfo", "Red Hat impact"),
        _major,
        "Red Hat has one document for each CVE; the settings name no folder or archive of them (feeds.unfixed.redhat)",
        csaf.rated,
    ),
}
"""By the ID of os-release."""


def read(vendor: Vendor, records: Iterable[Record], passed: Read) -> Iterator[tuple[str, bytes]]:
    """Read a vendor's documents, and give index entries at the end; what cannot be read is noted and passed over.

    Raises:
        MalformedDocument, LimitExceeded: the one document that there is cannot be read.
    """
    for name, content in records:
        passed.documents += 1
        try:
            if isinstance(content, str):
                raise MalformedDocument(content)
            found = tracked(content, name) if vendor.documents is None else vendor.documents(content)
            for release, package, statement in found:
                passed.statements.add(release, package, statement)
            for cve, flaw in vendor.rated(content) if vendor.rated else ():
                passed.flaws.add(cve, flaw)
        except MalformedDocument as error:
            if vendor.documents is None:
                raise
            passed.unread += 1
            if len(passed.broken) < MAX_BROKEN_NAMED:
                passed.broken.append(f"{name}: {error}")
    yield from passed.statements.entries()
    yield from passed.flaws.entries()


def version_of(vendor: Vendor) -> str:
    """Of the entries in an index; another version's is made anew."""
    return f"{READER}-{vendor.name}"


def index_name(vendor: Vendor, place: str) -> str:
    """Of the index of what is read at a place."""
    return f"unfixed-{vendor.name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
