"""Which notice is about which package on offer, and how `dnf updateinfo` lists and counts them. Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from affineur.errata.erratum import Erratum, Severity

__all__ = ["Notice", "list_lines", "summary_lines"]

_WORDS = ("Critical", "Important", "Moderate", "Low")
_KINDS = ("bugfix", "enhancement", "newpackage")


class Notice(msgspec.Struct, frozen=True):
    """One line of `dnf updateinfo list`: a notice, and a package on offer that it is about.

    Attributes:
        erratum: the notice's id.
        kind: `security`, `bugfix`, `enhancement`, `newpackage` or `other`.
        severity, severity_word: the notice's, mapped and as written; None where it does not say.
        package, architecture, version: of what is on offer.
        issued, updated: the notice's dates, UTC.
    """

    erratum: str
    kind: str
    severity: Severity | None
    severity_word: str | None
    package: str
    architecture: str
    version: str
    issued: datetime | None = None
    updated: datetime | None = None

    @property
    def nevra(self) -> str:
        """The package as rpm and dnf write it; an epoch of 0 is left out."""
        return f"{self.package}-{self.version}.{self.architecture}"

    @classmethod
    def of(cls, erratum: Erratum, package: str, architecture: str, version: str) -> "Notice":
        """A notice about one package. Where notices have no words of their own, the severity is the word."""
        word = erratum.severity_word
        if word is None and erratum.severity is not None:
            word = erratum.severity.value.capitalize()
        return cls(
            erratum.id,
            erratum.kind,
            erratum.severity,
            word,
            package,
            architecture,
            version,
            erratum.issued,
            erratum.updated,
        )


def list_lines(notices: Sequence[Notice]) -> list[str]:
    """Write what `dnf updateinfo list` prints: id, severity or kind, package, in columns."""
    rows = [(notice.erratum, _label(notice), notice.nevra) for notice in notices]
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return [f"{identifier:<{first}} {label:<{second}} {package}" for identifier, label, package in rows]


def summary_lines(notices: Sequence[Notice]) -> list[str]:
    """Write what `dnf updateinfo summary` prints, nothing where nothing is listed.

    dnf calls a severity unknown where a notice has none; a word that is none of its four, such as Fedora's "None", is
    counted in the first line alone, so that the parts need not add up to it.
    """
    distinct = list({notice.erratum: notice for notice in notices}.values())
    words = [notice.severity_word for notice in distinct if notice.kind == "security"]
    kinds = [notice.kind if notice.kind in ("security", *_KINDS) else "unknown" for notice in distinct]
    counts = [
        (1, kinds.count("newpackage"), "New Package"),
        (1, len(words), "Security"),
        *((2, words.count(word), f"{word} Security") for word in _WORDS),
        (2, words.count(None), "Unknown Security"),
        (1, kinds.count("bugfix"), "Bugfix"),
        (1, kinds.count("enhancement"), "Enhancement"),
        (1, kinds.count("unknown"), "other"),
    ]
    columns = max(len(str(count)) for _, count, _ in counts)
    shown = [f"{count:>{columns + 4 * step}} {what} notice(s)" for step, count, what in counts if count]
    return ["Updates Information Summary: available", *shown] if shown else []


def _label(notice: Notice) -> str:
    if notice.kind != "security":
        return notice.kind if notice.kind in _KINDS else "unknown"
    return f"{notice.severity_word}/Sec." if notice.severity_word in _WORDS else "Unknown/Sec."
