"""Whether a repository's repomd.xml is the distribution's own: by a pinned key, a metalink, or TLS to its own host.

repomd.xml names the checksums of everything else, so its trust is that of the whole repository.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from affineur.errors import ContentError, ForbiddenAddress, InvalidSettings
from affineur.http.addresses import Reach, literal, reach_of
from affineur.openpgp import Verified, fingerprints, merged, split_certificates, verify_detached
from affineur.repositories.rpmmd.model import Repository, Trust

if TYPE_CHECKING:
    from affineur.http.client import Client

__all__ = ["Signed", "Trusted", "judged", "key_paths", "keys_of", "served_by", "signed_by"]


class Trusted(msgspec.Struct, frozen=True):
    """What makes a repository the distribution's own.

    Attributes:
        places: URL prefixes, `https://` first, on the distribution's own hosts: what they serve over TLS is its own.
        keys: fingerprints of the primary keys that sign its repomd.xml; empty: it is not signed.
        certificates: those keys themselves, where the image need not bring them.
        keyrings: paths inside the image where they may be, too.
    """

    places: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    certificates: tuple[bytes, ...] = ()
    keyrings: tuple[str, ...] = ()


class Signed(msgspec.Struct, frozen=True):
    """What came of a signature of repomd.xml.

    Attributes:
        good: fingerprints of the primary keys whose signatures hold: keys that the repository names, or pinned ones.
        pinned: those of them that are pinned.
        problem: why no signature holds; empty where one does, or was not looked for.
    """

    good: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    problem: str = ""


def keys_of(
    repository: Repository, trusted: Trusted, read: Callable[[str], bytes | None], imported: Sequence[bytes] = ()
) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """(the certificates that may vouch for a repository, what is wrong with its own).

    Its own keys (`gpgkey`, files of the image alone), and the pinned ones: ours, and the image's copies of them.

    Args:
        read: absolute path inside the image → the file's content; None where there is none.
        imported: certificates that count for every repository.
    """
    found: list[bytes] = list(imported)
    problems: list[str] = []
    for url in repository.gpgkey:
        path = _path(url)
        if path is None:
            problems.append(f"gpgkey {url[:200]}: fetched by nobody here; only keys in the image count")
        else:
            found += _certificates(path, read, problems)
    ignored: list[str] = []
    for path in trusted.keyrings if trusted.keys else ():
        found += [each for each in _certificates(path, read, ignored) if fingerprints(each)[0] in trusted.keys]
    try:
        return merged((*found, *trusted.certificates)), tuple(problems)
    except ContentError as error:
        return trusted.certificates, (*problems, str(error))


def key_paths(repository: Repository) -> list[str]:
    """The paths in the image that a repository's gpgkey means."""
    return [path for path in map(_path, repository.gpgkey) if path is not None]


def _path(url: str) -> str | None:
    """The path in the image that a gpgkey means."""
    if url.startswith("/"):
        return url
    if url.lower().startswith("file:"):
        return "/" + url[5:].lstrip("/").removeprefix("localhost/")
    return None


def _certificates(path: str, read: Callable[[str], bytes | None], problems: list[str]) -> Sequence[bytes]:
    try:
        content = read(path)
        if content is None:
            problems.append(f"gpgkey {path}: not in the image")
            return ()
        return split_certificates(content, f"gpgkey {path}")
    except ContentError as error:
        problems.append(str(error))
        return ()


def signed_by(
    repomd: bytes, signature: bytes | None, certificates: Sequence[bytes], pinned: frozenset[str], now: datetime
) -> Signed:
    """Verify repomd.xml.asc; None as `signature` where there is none."""
    if not signature:
        return Signed(problem="it is not signed: there is no repomd.xml.asc")
    try:
        found: Verified = verify_detached(repomd, signature, certificates, now)
    except ContentError as error:
        return Signed(problem=str(error))
    sure = tuple(name for name in found.if_pinned if name in pinned)
    good = tuple(dict.fromkeys((*found.good, *sure)))
    if not good:
        return Signed(problem="; ".join(found.problems) or "no signature holds")
    return Signed(good, tuple(name for name in good if name in pinned))


def served_by(client: "Client", asked: str, final: str, places: Iterable[str]) -> tuple[str, str]:
    """(the reference host that served a document over TLS, or else "", and why not).

    The user's mirror map is the user's own word: what it leads to counts for the host that it stands for, if it is
    reached over TLS or lies on this very machine.

    Args:
        asked: the URL as the image or the reference has it, before the mirror map.
        final: where the answer came from, after mirrors and redirects.
        places: `Trusted.places`.
    """
    mapped = client.mirrors.apply(asked)
    host, shown = _host(asked), _host(final)
    if mapped is not None:
        if not any(_below(asked, place, any_scheme=True) for place in places):
            return "", f"{host} is none of the distribution's own places"
        if _host(mapped) == shown and (_is_loopback(final) or _checked(client, final)):
            return f"{host}, by the mirror map", ""
        return "", f"{host} is mapped to {shown}, which is neither this machine nor reached over TLS"
    if not any(_below(asked, place, any_scheme=True) for place in places):
        return "", f"{host} is none of the distribution's own places"
    if not (_checked(client, asked) and _checked(client, final)):
        return "", f"{shown} was asked over plain HTTP"
    if not any(_below(final, f"https://{_host(place)}/") for place in places):
        return "", f"{host} redirects to {shown}, which is none of the distribution's own places"
    return host, ""


def judged(signed: Signed | None, metalink: tuple[str, str] | None, tls: tuple[str, str]) -> Trust:
    """Put together what speaks for repomd.xml; the strongest counts.

    Args:
        signed: None where no signature was looked for.
        metalink: as `served_by` has it of the metalink whose digest it has; None where none has it.
        tls: as `served_by` has it of repomd.xml itself.
    """
    if signed is not None and signed.pinned:
        return Trust("key", signed.pinned[0])
    if metalink is not None and metalink[0]:
        return Trust("metalink", metalink[0])
    if tls[0]:
        return Trust("tls", tls[0])
    reasons = [tls[1]]
    if metalink is not None:
        reasons.append(f"its metalink: {metalink[1]}")
    if signed is not None and signed.good:
        reasons.append(f"it is signed by {', '.join(signed.good)}, no key of the distribution")
    elif signed is not None:
        reasons.append(signed.problem)
    return Trust("", why="; ".join(dict.fromkeys(reasons)))


def _below(url: str, prefix: str, *, any_scheme: bool = False) -> bool:
    if any_scheme:
        url, prefix = url.partition("://")[2], prefix.partition("://")[2]
    if "/../" in f"{url}/" or "%2e" in url.lower():
        return False
    prefix = prefix.rstrip("/")
    ends = ("", "&") if "?" in prefix else ("", "/", "?")
    return url[: len(prefix)].lower() == prefix.lower() and url[len(prefix) : len(prefix) + 1] in ends


def _host(url: str) -> str:
    """As it stands in the URL, with a port that is not the scheme's own."""
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0].lower()
    return authority.rpartition("@")[2].removesuffix(":443" if url.lower().startswith("https:") else ":80")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    address = literal(host)
    return host == "localhost" if address is None else reach_of(address) is Reach.LOOPBACK


def _checked(client: "Client", url: str) -> bool:
    try:
        return client.verifies(url)
    except (ForbiddenAddress, InvalidSettings):
        return False
