"""By what apt tells a rebuilt package from the one that carries the same version.

Two stanzas of one version are one package to apt only if their sizes, dependencies and conflicts agree; where those of
the archive differ, apt lists the installed package as upgradable although the version is the same. Witness:
`apt list --upgradable` (tests/system/test_apt_choice.py).
"""

import zlib
from collections.abc import Callable

__all__ = ["FIELDS", "relations"]

FIELDS = ("installed-size", "depends", "pre-depends", "conflicts", "breaks", "replaces")


def relations(field: Callable[[str], str | None]) -> int:
    """A number that is equal for stanzas which apt takes for the same build.

    dpkg reformats these fields when it writes its status, so blanks, `=` (`<` was once `<=`), letter case and the
    epoch `0:` do not count; nor does which of the fields a text stands in.

    Args:
        field: gives a field's value by its lower-case name, None where the stanza lacks it.
    """
    number = 0
    for name in FIELDS:
        value = field(name)
        if value:
            text = "".join(value.replace("0:", "").split()).replace("=", "").lower()
            number = zlib.crc32(text.encode("utf-8", "surrogateescape"), number)
    return number
