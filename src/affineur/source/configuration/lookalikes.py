"""Registries whose name looks like a well-known one and is another: typed wrongly, or made to be taken for it.

A warning for people, by the letters of a name alone: nobody is asked, and nothing is refused. What is wanted is few
false alarms, so only what differs from a well-known name by a slip or a known trick is spoken of. No I/O.
"""

import re

from affineur.oci.reference import Reference

__all__ = ["WELL_KNOWN", "lookalike"]

WELL_KNOWN = (
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "pkg.dev",
    "lscr.io",
    "nvcr.io",
    "icr.io",
    "cgr.dev",
    "azurecr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.k8s.io",
    "k8s.gcr.io",
    "registry.access.redhat.com",
    "registry.connect.redhat.com",
    "registry.redhat.io",
    "registry.fedoraproject.org",
    "registry.opensuse.org",
    "registry.suse.com",
    "registry.suse.de",
    "registry.gitlab.com",
    "docker.elastic.co",
    "docker.pkg.github.com",
    "container-registry.oracle.com",
    "projects.registry.vmware.com",
)
"""Registries that many people know by heart, or whose subdomains are registries: what a wrong name may be meant to be.

Only names are compared with it: being in this list makes no registry trusted.
"""
MAX_HOST = 255
"""Characters (RFC 1035 § 2.3.4); a reference has no longer one."""
LONG = 16
"""From this length on, two slips are a likeness; below, one."""

_PRIVATE = frozenset(
    "arpa corp example home internal intranet invalid lan local localdomain localhost onion private test".split()  # noqa: SIM905
)
"""Top-level domains that are nobody's on the internet (RFC 6761, RFC 6762 appendix G): an in-house `docker.lan` is none
of the known ones with another ending."""
_ADDRESS = re.compile(r"[0-9.]+|\[.*\]")
_CONFUSABLE = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))
"""Letters that read as others in common type."""


def lookalike(reference: Reference) -> str | None:
    """One sentence for the user if the registry's name is nearly a well-known one; None if it is one, or like none."""
    host = _host(reference.registry)
    if len(host) > MAX_HOST or "." not in host or _ADDRESS.fullmatch(host):
        return None
    if any(host == known or host.endswith(f".{known}") for known in WELL_KNOWN):
        return None
    shown = _decoded(host)
    for likeness in (_reads_alike, _dressed_up, _other_ending, _slipped):
        for known in WELL_KNOWN:
            if problem := likeness(shown, known):
                return f"{reference.registry} is not {known}, {problem}; is it the registry that you mean?"
    if shown != host:
        return f"{reference.registry} reads {shown!r}, with letters that may look like others; is it the one you mean?"
    return None


def _host(registry: str) -> str:
    return registry.lower() if registry.startswith("[") else registry.lower().partition(":")[0].rstrip(".")


def _decoded(host: str) -> str:
    """With the letters of internationalised labels (xn--, RFC 5890) instead of their code."""
    labels = []
    for label in host.split("."):
        try:
            labels.append(label[4:].encode().decode("punycode") if label.startswith("xn--") else label)
        except (UnicodeError, OverflowError):
            labels.append(label)
    return ".".join(labels)


def _reads_alike(host: str, known: str) -> str:
    return "though it reads alike" if _skeleton(host) == _skeleton(known) else ""


def _skeleton(text: str) -> str:
    """Equal for texts that look the same."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(_LOOKS_LIKE.get(letter, letter) for letter in plain if not unicodedata.combining(letter))
    for those, this in _CONFUSABLE:
        plain = plain.replace(those, this)
    return plain


# Cyrillic and Greek letters, and a few more, that are drawn as Latin ones (from the idea of UTS #39 § 4, for the
# letters of the names above alone)
_LOOKS_LIKE = dict(
    zip("асԁеɡһіјкӏοорԛгѕυᴜνѵᴡԝхуʏ", "acdeghijkloopqrsuuvvwwxyy", strict=True),
)


def _dressed_up(host: str, known: str) -> str:
    """`docker.io.example`, `docker-io.example`, `my-docker.io`: the known name is in it, and somebody else's."""
    hyphened = known.replace(".", "-")
    if host.startswith((f"{known}.", f"{known}-", f"{hyphened}.")) or host.endswith(f"-{known}"):
        return "though it has that name in it"
    return ""


def _other_ending(host: str, known: str) -> str:
    own, _, ending = host.rpartition(".")
    return "though only the ending differs" if own == known.rpartition(".")[0] and ending not in _PRIVATE else ""


def _slipped(host: str, known: str) -> str:
    allowed = 2 if len(known) >= LONG else 1
    if abs(len(host) - len(known)) > allowed:
        return ""
    apart = _distance(host, known)
    return f"though only {apart} letter{'s' * (apart > 1)} apart" if apart <= allowed else ""


def _distance(one: str, other: str) -> int:
    """Letters added, left out, exchanged, or swapped with their neighbour (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
