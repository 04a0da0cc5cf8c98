"""Which Packages indexes of a suite count, and reading one: found by hash or path, checked, unpacked, parsed.

Only what the Release lists is read, and only if it is exactly that: size first, then SHA-256 (or SHA-512) of the file
as transferred. The stanzas are handed out when the whole file has been checked, not before.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from affineur.errors import ContentError, Denied, DigestMismatch, LimitExceeded, NotFound, SizeMismatch
from affineur.repositories.apt.index import parse_packages
from affineur.repositories.apt.model import Offer, Release, SourceEntry
from affineur.streams.decompress import decompressed

if TYPE_CHECKING:
    from affineur.http.client import Client

__all__ = ["IndexTarget", "index_targets", "read_index"]

INDEX_LIMIT = 512 << 20  # bytes of one index as transferred; the largest known have 20 MB
INDEX_S = 900.0  # seconds for one index, however slowly it drips

_COMPRESSIONS = (".xz", ".gz", "")  # the smallest first; apt's order too
_UNREAD = (".zst", ".lz4", ".bz2", ".lzma")


class IndexTarget(msgspec.Struct, frozen=True):
    """One Packages index, without its compression's ending.

    Attributes:
        path: below the suite's folder.
        component, architecture: empty for a flat repository.
    """

    path: str
    component: str
    architecture: str


def index_targets(
    entry: SourceEntry, configured: tuple[str, ...], release: Release, problems: list[str]
) -> Iterator[IndexTarget]:
    """The indexes that apt would read for an entry, components outside, architectures inside.

    sources.list(5) and Debian wiki, DebianRepository/Format § Architectures, § No-Support-for-Architecture-all: those
    that the Release does not support are left out, with a problem for a component or the native architecture; the
    separate index of `all` counts only where the Release lists that architecture and does not say that the others hold
    its packages too.

    Args:
        configured: the image's architectures, native first.
    """
    if entry.suite.endswith("/"):
        yield IndexTarget("Packages", "", "")
        return
    architectures = configured if entry.architectures is None else entry.architectures
    has_all = "all" in release.architectures and "Packages" not in release.no_all_for
    components = {name for each in release.components for name in (each, each.rpartition("/")[2])}
    for component in entry.components:
        if components and component not in components:
            problems.append(f"{release.suite or entry.suite} has no component {component}, which the sources ask for")
            continue
        for architecture in dict.fromkeys((*architectures, *(("all",) if has_all else ()))):
            if release.architectures and architecture not in release.architectures:
                if architecture == configured[0]:
                    problems.append(f"{release.suite or entry.suite} does not support {architecture}")
                continue
            if architecture == "all" and not has_all:
                continue
            path = f"{component}/binary-{architecture}/Packages"
            if architecture == "all" and not any(path + ending in release.hashes for ending in _COMPRESSIONS + _UNREAD):
                continue  # optional: the others may hold its packages
            yield IndexTarget(path, component, architecture)


def read_index(
    client: "Client",
    base: str,
    release: Release,
    target: IndexTarget,
    names: Collection[str] | None,
    *,
    by_hash: bool,
    options: Mapping[str, Any],
) -> list[Offer]:
    """Read one index.

    Args:
        base: URL of the suite's folder, with a trailing slash.
        names: of the packages that matter; None for all.
        by_hash: ask by hash first; then by path, as apt does.
        options: for the client's `stream`.

    Raises:
        NotFound: the Release does not list it, or the server has none of what it lists.
        SizeMismatch, DigestMismatch: it is not what the Release lists.
        SourceError, ContentError: otherwise unreachable or broken.
    """
    listed = [
        (target.path + c, *release.hashes[target.path + c]) for c in _COMPRESSIONS if target.path + c in release.hashes
    ]
    if not listed:
        unread = [c for c in _UNREAD if target.path + c in release.hashes]
        why = f"only as {', '.join(unread)}, which are not read here" if unread else "not listed in the Release"
        raise NotFound(f"{base}{target.path}: {why}")
    if any(path == target.path and size == 0 for path, _, size in listed):
        return []
    for path, digest, size in listed:
        for place in _places(path, digest, by_hash=by_hash):
            url = base + quote(place, safe="/:+~.-=,@!$&'()*;%")
            try:
                with client.stream(url, **options) as stream:
                    return _parsed(stream, digest, size, url, target, names)
            except (NotFound, Denied):  # object stores say 403 of what they do not have
                continue
    raise NotFound(f"{base}{target.path}: the Release lists it, and the server does not have it")


def _places(path: str, digest: str, *, by_hash: bool) -> Iterator[str]:
    if by_hash:
        folder, slash, _ = path.rpartition("/")
        yield f"{folder}{slash}by-hash/{'SHA512' if len(digest) == 128 else 'SHA256'}/{digest}"
    yield path


def _parsed(
    chunks: Iterable[bytes], digest: str, size: int, url: str, target: IndexTarget, names: Collection[str] | None
) -> list[Offer]:
    checked = _checked(chunks, digest, size, url)
    try:
        return list(parse_packages(decompressed(checked, url)[1], names, target.component, target.architecture))
    except ContentError:
        for _ in checked:  # if these are other bytes than were listed, that is what to say
            pass
        raise


def _checked(chunks: Iterable[bytes], digest: str, size: int, source: str) -> Iterator[bytes]:
    if size > INDEX_LIMIT:
        raise LimitExceeded(f"{source}: an index of {size} bytes")
    hasher = hashlib.sha512() if len(digest) == 128 else hashlib.sha256()
    received, deadline = 0, time.monotonic() + INDEX_S
    for chunk in chunks:
        received += len(chunk)
        if received > size:
            break
        if time.monotonic() > deadline:
            raise LimitExceeded(f"{source}: not finished after {INDEX_S:.0f} s")
        hasher.update(chunk)
        yield chunk
    if received != size:
        raise SizeMismatch(source, size, received)
    if hasher.hexdigest() != digest:
        raise DigestMismatch(source, f"{hasher.name}:{digest}", f"{hasher.name}:{hasher.hexdigest()}")
