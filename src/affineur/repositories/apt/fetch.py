"""Suites, fetched and verified; then what their indexes offer of the names that matter.

Follows apt's way (apt-secure(8), sources.list(5), Debian wiki DebianRepository/Format): InRelease, or Release with
Release.gpg, then the indexes that it lists (see indexes.py). Nothing of a Release counts but what its signature covers.
What cannot be had or believed becomes a problem of the suite; only faults of ours are raised.
"""

import hashlib
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from affineur.errors import BadSignature, ContentError, Denied, NotFound, SourceError
from affineur.openpgp import Verified, signed_text
from affineur.repositories.apt.indexes import IndexTarget, index_targets, read_index
from affineur.repositories.apt.model import AptConfiguration, Offer, OfferedSuite, Release, SourceEntry, Suite
from affineur.repositories.apt.release import RELEASE_LIMIT, parse_release, untimely
from affineur.repositories.apt.verify import ImageKeys, Keyring, keyring_of, verify_release
from affineur.repositories.once import Once

if TYPE_CHECKING:
    from affineur.http.addresses import Reach
    from affineur.http.client import Client

__all__ = ["Fetcher", "suite_url"]

SIGNATURE_LIMIT = 1 << 20  # bytes of a Release.gpg
AT_ONCE = 8  # suites fetched side by side
OWN_S = 300.0  # seconds after which no further suite of the image is begun; it may name thousands that never answer


class Fetcher:
    """Fetches the suites of one image; what two entries name is fetched once. Safe for threads.

    Args:
        client: applies the mirror map, the address policy and the limits.
        configuration: of the image.
        keys: the image's keyrings.
        now: by the real clock; by it Valid-Until and the life of keys are judged.
        reach: how local the image's URLs may lead; the client's default where not given.
    """

    def __init__(
        self,
        client: "Client",
        configuration: AptConfiguration,
        keys: ImageKeys,
        now: datetime,
        reach: "Reach | None" = None,
    ) -> None:
        self._client, self._configuration, self._keys, self._now = client, configuration, keys, now
        self._options: dict[str, Any] = {} if reach is None else {"reach": reach}
        self._own_places: tuple[str, ...] = ()
        self._once = Once()

    def fetch(self, names: Collection[str] | None) -> tuple[OfferedSuite, ...]:
        """Every suite of the configuration with its offers, side by side, in sources order.

        Args:
            names: of the packages that matter, lower case; None for all.
        """
        return self.fetch_entries(self._configuration.sources, names)

    def fetch_entries(self, entries: Sequence[SourceEntry], names: Collection[str] | None) -> tuple[OfferedSuite, ...]:
        """As `fetch`, of these entries; those not begun within OWN_S are not asked, which is a problem of each."""
        if not entries:
            return ()
        deadline = time.monotonic() + OWN_S

        def fetched(entry: SourceEntry) -> OfferedSuite:
            if time.monotonic() > deadline:
                why = f"not asked: those before it took {OWN_S:.0f} s, all the time that there is"
                return OfferedSuite(Suite(entry, None, (), verified=False, url=entry.public_uri, problems=(why,)), ())
            return self.offers(self.suite(entry), names)

        with ThreadPoolExecutor(min(AT_ONCE, len(entries))) as pool:
            return tuple(pool.map(fetched, entries))

    def own_places(self, uris: Collection[str]) -> None:
        """Say which repositories the user named: what lies below them may be on this machine or a private network."""
        self._own_places = tuple(uri if uri.endswith("/") else f"{uri}/" for uri in uris)

    def suite(self, entry: SourceEntry, keyring: Keyring | None = None) -> Suite:
        """Fetch and verify a suite's Release. Never raises for what the archive or the image holds.

        Args:
            keyring: the certificates that may vouch; those that count for the entry where not given.
        """
        keyring = keyring_of(entry, self._keys) if keyring is None else keyring
        problems = list(keyring.problems)
        base = suite_url(entry, problems)
        if base is None:
            return Suite(entry, None, (), verified=False, url=entry.public_uri, problems=tuple(problems))
        try:
            options = self._options_for(base)
            signed = self._once(("release", base, options.get("reach")), lambda: self._signed(base, options))
        except (SourceError, ContentError) as error:
            return Suite(entry, None, (), verified=False, url=base, problems=(*problems, str(error)))
        return _judged(entry, keyring, signed, self._now, problems)

    def offers(self, suite: Suite, names: Collection[str] | None) -> OfferedSuite:
        """What the indexes of a suite offer: those of its entry's components and architectures, as apt picks them.

        A suite without a Release offers nothing. An index that cannot be had, or is not what the Release lists, adds a
        problem to the suite and none of its stanzas.
        """
        release, base, problems = suite.release, suite_url(suite.entry, []), list(suite.problems)
        if release is None or base is None:
            return OfferedSuite(suite, (), ())
        wanted = None if names is None else frozenset(names)
        by_hash = {"no": False, "yes": True, "force": True}.get(suite.entry.by_hash or "", release.acquire_by_hash)
        found: list[Offer] = []
        indexes: list[tuple[str, str]] = []
        options = self._options_for(base)
        for target in index_targets(suite.entry, self._configuration.architectures, release, problems):

            def read(target: IndexTarget = target) -> list[Offer]:
                return read_index(self._client, base, release, target, wanted, by_hash=by_hash, options=options)

            try:
                found += self._once(("index", base, options.get("reach"), suite.digest, target, wanted), read)
                indexes.append((target.component, target.architecture))
            except (SourceError, ContentError) as error:
                problems.append(str(error))
        suite = msgspec.structs.replace(suite, problems=tuple(problems))
        return OfferedSuite(suite, tuple(found), tuple(indexes))

    def _options_for(self, base: str) -> dict[str, Any]:
        if not base.startswith(self._own_places):
            return self._options
        from affineur.http.addresses import Reach

        return {"reach": Reach.OWN}

    def _signed(self, base: str, options: dict[str, Any]) -> "_Signed":
        try:
            found = self._client.get(f"{base}InRelease", limit=RELEASE_LIMIT, **options)
            return _Signed(found.body, None, found.url)
        except (NotFound, Denied):  # object stores say 403 of what they do not have
            found = self._client.get(f"{base}Release", limit=RELEASE_LIMIT, **options)
        try:
            signature = self._client.get(f"{base}Release.gpg", limit=SIGNATURE_LIMIT, **options).body
        except (NotFound, Denied):
            signature = b""
        return _Signed(found.body, signature, found.url)


class _Signed(msgspec.Struct, frozen=True):
    text: bytes
    signature: bytes | None  # None: inside `text`; empty: there is none
    url: str


def suite_url(entry: SourceEntry, problems: list[str]) -> str | None:
    """Where a suite's Release lies, with a trailing slash, without credentials; None (and a problem) if not on HTTP."""
    scheme = entry.uri.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        why = "it means a file in the image" if scheme in ("file", "copy") else "only http and https are"
        problems.append(f"{entry.public_uri} is not fetched: {scheme}: {why}")
        return None
    if entry.has_login:
        problems.append(f"credentials stand in the image's sources, for {entry.public_uri}: never sent")
    below = entry.suite if entry.suite.endswith("/") else f"dists/{entry.suite}/"
    path = "" if below in ("/", "./") else quote(_bytes(below.lstrip("/")), safe="/:+~.-=,@!$&'()*;%")
    return entry.public_uri + path


def _bytes(text: str) -> bytes:
    """As the image has it, where it is no UTF-8 (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def _judged(entry: SourceEntry, keyring: Keyring, signed: _Signed, now: datetime, problems: list[str]) -> Suite:
    verified = None
    try:
        if signed.signature == b"":
            raise BadSignature("not signed: there is neither an InRelease nor a Release.gpg")
        verified = verify_release(signed.text, signed.signature, keyring, now)
        if not (keyring.pinned and verified.good):  # one good signature is enough; what else there is does no harm
            problems += verified.problems
    except ContentError as error:
        problems.append(f"{signed.url}: {error}")
    try:
        text = verified.content if verified else _unverified(entry, signed, problems)
        release = None if text is None else parse_release(text)
    except ContentError as error:
        problems.append(f"{signed.url}: {error}")
        text = release = None
    if text is None or release is None:
        return Suite(entry, None, (), verified=False, url=signed.url, problems=tuple(problems))
    late = untimely(release, now)
    if late:
        problems.append(f"{signed.url}: {late}")
    if not keyring.pinned and (why := _other_suite(entry, release)):
        problems.append(f"{signed.url}: {why}")
    if entry.trusted is False:
        problems.append(f"{signed.url}: trusted=no in the image's sources")
    believed = verified or Verified(b"", ())
    return Suite(
        entry,
        release,
        believed.good,
        verified=bool(believed.good) and entry.trusted is not False,
        url=signed.url,
        digest=f"sha256:{hashlib.sha256(text).hexdigest()}",
        weak_signers=believed.weak,
        expired_signers=believed.expired,
        expired=late is not None,
        problems=tuple(problems),
    )


def _unverified(entry: SourceEntry, signed: _Signed, problems: list[str]) -> bytes | None:
    """The text that apt would use although no key vouches for it, by the image's own say-so; None if it would not."""
    unsigned = signed.signature == b""
    if entry.trusted is not True and not (unsigned and entry.allow_insecure):
        return None
    option = "trusted=yes" if entry.trusted else "allow-insecure=yes"
    problems.append(f"{signed.url}: {option} in the image's sources has apt use it all the same")
    return signed.text if signed.signature is not None else signed_text(signed.text)


def _other_suite(entry: SourceEntry, release: Release) -> str | None:
    """apt's "Conflicting distribution": the place holds another suite than was asked for."""
    asked = entry.suite.partition("/")[0]
    if entry.suite.endswith("/") or asked in (release.suite, release.codename):
        return None
    if asked in (release.suite.partition("/")[0], release.codename.partition("/")[0]):  # stretch/updates of old
        return None
    return f"{asked} was asked for, and this is {release.suite or '(no suite)'} ({release.codename or 'no codename'})"
