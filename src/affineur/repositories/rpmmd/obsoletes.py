"""Whether a package's <rpm:obsoletes> means a version."""

from affineur.packages.versions.rpm import compare
from affineur.repositories.rpmmd.model import Obsolete

__all__ = ["obsoleted"]


def obsoleted(obsolete: Obsolete, version: str) -> bool:
    """Whether this version of the package that it names is replaced."""
    if not obsolete.flags:
        return True
    if "-" not in obsolete.version:  # rpm: a relation without a release means any
        version = version.rpartition("-")[0]
    order = compare(version, obsolete.version)
    return (
        (order == 0 and obsolete.flags in ("EQ", "LE", "GE"))
        or (order < 0 and obsolete.flags in ("LT", "LE"))
        or (order > 0 and obsolete.flags in ("GT", "GE"))
    )
