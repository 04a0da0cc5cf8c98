"""Which keys count for an entry of the image's sources, and what a suite's signed files are worth by them.

Rules: sources.list(5) § Signed-By, apt-secure(8). Paths mean files inside the image, whose bytes a callable brings.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from affineur.errors import BadSignature, ContentError
from affineur.openpgp import Verified, fingerprints, split_certificates, verify_cleartext, verify_detached
from affineur.repositories.apt.model import SourceEntry
from affineur.repositories.reference import pinned

__all__ = ["ImageKeys", "Keyring", "keyring_of", "verify_release"]

_FINGERPRINT = re.compile(r"(?:0x)?([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})(!?)", re.ASCII)


class ImageKeys(msgspec.Struct, frozen=True):
    """The keyrings of one image.

    Attributes:
        read: absolute path inside the image → the file's content; None where there is none. Never opens a file of the
            host; a link's target has been found inside the image.
        trusted: paths of apt's own keyrings that the image has (`/etc/apt/trusted.gpg` and those of
            `/etc/apt/trusted.gpg.d` that end in `.gpg` or `.asc`).
    """

    read: Callable[[str], bytes | None]
    trusted: tuple[str, ...] = ()


class Keyring(msgspec.Struct, frozen=True):
    """The certificates that may vouch for an entry.

    Attributes:
        certificates: one transferable public key each.
        only: fingerprints of primary keys or subkeys that alone may sign; all may where None.
        problems: keyrings that are missing or unreadable.
        pinned: each certificate was chosen by the fingerprint of its primary key, so what its own signatures are worth
            does not matter.
    """

    certificates: tuple[bytes, ...]
    only: frozenset[str] | None = None
    problems: tuple[str, ...] = ()
    pinned: bool = False


def keyring_of(entry: SourceEntry, keys: ImageKeys) -> Keyring:
    """Gather the keys that count for an entry.

    An inline key, or the files that Signed-By names, and no others; apt's own keyrings where it names no file. Its
    fingerprints narrow them down: to a primary key and its subkeys, or with a `!` to exactly that key.
    """
    certificates: list[bytes] = []
    problems: list[str] = []
    only: set[str] = set()
    paths: list[str] = []
    for name in entry.signed_by:
        if name.startswith("/"):
            paths.append(name)
        elif found := _FINGERPRINT.fullmatch(name):
            only.add(found[1].upper() + found[2])
        else:
            problems.append(f"Signed-By: neither an absolute path nor a fingerprint: {name}")
    if entry.signed_by_inline is not None:
        certificates += _read(entry.signed_by_inline.encode(), "the inline Signed-By", problems)
    explicit = bool(paths) or entry.signed_by_inline is not None
    for path in paths if explicit else keys.trusted:
        try:
            content = keys.read(path)
        except ContentError as error:  # too large to be one
            problems.append(f"keyring {path}: {error}")
            continue
        if content is None:
            problems.append(f"keyring {path}: not in the image")
            continue
        certificates += _read(content, f"keyring {path}", problems)
    chosen = dict.fromkeys(certificates)
    if only:
        wanted = {name.rstrip("!") for name in only}
        chosen = {each: None for each in chosen if wanted & set(fingerprints(each))}
        if not chosen:
            problems.append(f"no key {', '.join(sorted(wanted))} in the image's keyrings")
    return Keyring(tuple(chosen), frozenset(only) or None, tuple(problems))


def verify_release(signed: bytes, signature: bytes | None, keyring: Keyring, now: datetime) -> Verified:
    """Verify an InRelease (`signature` None), or a Release with its Release.gpg, by the keys that count.

    Raises:
        BadSignature: no key that counts vouches for it.
        ContentError: not a signed file at all, or an absurd one.
    """
    if signature is None:
        found = verify_cleartext(signed, keyring.certificates, now)
    else:
        found = verify_detached(signed, signature, keyring.certificates, now)
    if found.if_pinned and not found.good:
        sure = found.if_pinned if keyring.pinned else tuple(name for name in found.if_pinned if name in pinned())
        if sure:
            weak = tuple(name for name in found.weak if name not in sure)
            found = msgspec.structs.replace(found, good=sure, weak=weak, problems=(), keys=tuple((n, n) for n in sure))
    exact = {name.rstrip("!") for name in keyring.only or () if name.endswith("!")}
    if exact and len(exact) == len(keyring.only or ()):
        good = [primary for primary, key in found.keys if key in exact]
        if not good:
            raise BadSignature("not signed by exactly the key that Signed-By names")
        return msgspec.structs.replace(found, good=tuple(dict.fromkeys(good)))
    return found


def _read(content: bytes, source: str, problems: list[str]) -> Iterable[bytes]:
    try:
        return split_certificates(content, source)
    except ContentError as error:
        problems.append(str(error))
        return ()
