"""Repositories, found by metalink, mirror list or base URL, and verified; then their data files, streamed and checked.

The way of librepo: repomd.xml of the first mirror that has what the metalink promises, then the files that it lists,
each by its size and checksum, as it lies there and unpacked. What cannot be had or believed becomes a problem of the
repository; only faults of ours are raised.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from affineur.errors import (
    ContentError,
    Denied,
    DigestMismatch,
    LimitExceeded,
    MalformedDocument,
    NotFound,
    SourceError,
)
from affineur.http.urls import shown
from affineur.repositories.once import Once
from affineur.repositories.rpmmd.datafile import checked, unpacked
from affineur.repositories.rpmmd.metalink import Metalink, is_metalink, read_metalink, read_mirrorlist
from affineur.repositories.rpmmd.model import DataFile, Fetched, Repomd, Repository, RpmConfiguration, Trust
from affineur.repositories.rpmmd.repomd import REPOMD_LIMIT, read_repomd
from affineur.repositories.rpmmd.trust import Trusted, judged, keys_of, served_by, signed_by

if TYPE_CHECKING:
    from affineur.http.addresses import Reach
    from affineur.http.client import Client

__all__ = ["Fetcher"]

LIST_LIMIT = 4 << 20  # bytes of a metalink or mirror list; Fedora's has 30 kB
SIGNATURE_LIMIT = 1 << 20  # bytes of a repomd.xml.asc
MIRRORS_TRIED = 5  # of one repository
AT_ONCE = 8  # repositories asked side by side
OWN_S = 300.0  # seconds after which no further repository of the image is asked; it may name thousands

_REPOMD = "repodata/repomd.xml"
_SAFE = "/:+~.-=,@!$&'()*;%?"


class Fetcher:
    """Fetches the repositories of one image; what two sections name is fetched once. Safe for threads.

    Args:
        client: applies the mirror map, the address policy and the limits.
        configuration: of the image.
        keys: absolute path inside the image → the file's content; None where there is none.
        now: by the real clock, by which the life of keys is judged.
        reach: how local the image's URLs may lead; the client's default where not given.
        entitlement: whether the user has a client certificate for a host; nobody has where not given.
        trusted: what makes a repository the distribution's own; nothing does where not given.
        imported: certificates that the image's rpm database holds, by which zypper verifies, too; None where they were
            not looked for.
    """

    def __init__(
        self,
        client: "Client",
        configuration: RpmConfiguration,
        keys: Callable[[str], bytes | None],
        now: datetime,
        reach: "Reach | None" = None,
        entitlement: Callable[[str], bool] | None = None,
        trusted: Trusted | None = None,
        imported: Sequence[bytes] | None = None,
    ) -> None:
        self._client, self._configuration, self._keys, self._now = client, configuration, keys, now
        self._options: dict[str, Any] = {} if reach is None else {"reach": reach}
        self._entitlement, self._trusted, self._imported = entitlement, trusted or Trusted(), imported
        self._own_places: tuple[str, ...] = ()
        self._once = Once()
        self._mirrors_of: dict[str, tuple[str, ...]] = {}  # digest of a repomd.xml → bases that should have it

    def own_places(self, urls: Sequence[str]) -> None:
        """Say which repositories the user named: what lies below them may be on this machine or a private network."""
        self._own_places = tuple(url if url.endswith("/") else f"{url}/" for url in urls)

    def fetch_all(self, repositories: Sequence[Repository]) -> tuple[Fetched, ...]:
        """Ask them side by side; the answers in the same order. Those not begun within OWN_S are not asked."""
        if not repositories:
            return ()
        deadline = time.monotonic() + OWN_S

        def fetched(repository: Repository) -> Fetched:
            if time.monotonic() > deadline:
                why = f"not asked: those before it took {OWN_S:.0f} s, all the time that there is"
                return Fetched(repository, "", None, Trust("", why=why), problems=(why,))
            return self.fetch(repository)

        with ThreadPoolExecutor(min(AT_ONCE, len(repositories))) as pool:
            return tuple(pool.map(fetched, repositories))

    def fetch(self, repository: Repository, trusted: Trusted | None = None, *, enforce: bool = True) -> Fetched:
        """Find a repository, fetch its repomd.xml and judge it. Never raises for what the place or the image holds.

        Args:
            trusted: what counts for this one, where other than for the rest.
            enforce: whether repo_gpgcheck is heeded; if not, an unsigned repomd.xml is only not believed.
        """
        trusted = self._trusted if trusted is None else trusted
        if why := self._not_asked(repository):
            return Fetched(repository, "", None, Trust("", why=why), problems=(why,))
        places = (repository.metalink, repository.mirrorlist, repository.baseurl)
        wants = self._wants_signature(repository, trusted)
        try:
            found = self._once(("repomd", places, wants), lambda: self._found(repository, wants))
        except (SourceError, ContentError) as error:
            why = str(error)
            return Fetched(repository, "", None, Trust("", why="it could not be read"), problems=(why,))
        zypper = self._configuration.manager == "zypper"
        more = (self._imported or ()) if zypper else ()
        certificates, wrong = keys_of(repository, trusted, self._keys, more) if wants else ((), ())
        signed = signed_by(found.content, found.signature, certificates, trusted.keys, self._now) if wants else None
        metalink = None
        if found.list_asked:
            metalink = served_by(self._client, found.list_asked, found.list_final, trusted.places)
        tls = served_by(self._client, found.base + _REPOMD, found.final, trusted.places)
        trust = judged(signed, metalink, tls)
        repomd: Repomd | None = found.repomd
        problems: list[str] = []
        if signed is not None and not signed.good and repository.repo_gpgcheck and enforce:
            if zypper and found.signature and self._imported is None:
                problems += [
                    *wrong,
                    f"{shown(found.final)}: {signed.problem}; whether zypper knows the key was not looked for",
                ]
            else:
                refused = "zypper refuses it" if zypper else "repo_gpgcheck has it refused"
                problems += [*wrong, f"{shown(found.final)}: {signed.problem}; {refused}"]
                repomd = None
        return Fetched(
            repository,
            self._base(found),
            repomd,
            trust,
            base_uri=found.base,
            digest=f"sha256:{hashlib.sha256(found.content).hexdigest()}",
            signers=signed.good if signed else (),
            problems=(*problems, *found.problems),
        )

    def data(self, fetched: Fetched, kind: str) -> Iterator[bytes]:
        """One data file of a repository, unpacked, in pieces: `primary`, `updateinfo`, `other`, `modules` …

        Size and checksum are checked, packed and unpacked, as repomd.xml promises them. What is wrong is raised at the
        end at the latest: act on nothing before that. Of the forms of a file the one that is not zchunk is taken.

        Raises:
            NotFound: the repository lists no such file, or has none of what it lists.
            SizeMismatch, DigestMismatch, MalformedArchive, LimitExceeded: it is not what was promised.
            SourceError: otherwise unreachable.
        """
        file = _listed(fetched, kind)
        for number, url in enumerate(self._places(fetched, file.href)):
            try:
                with self._client.stream(url, **self._options_for(url)) as stream:
                    yield from unpacked(checked(stream, file, shown(url)), file, shown(url))
                    return
            except (NotFound, Denied):  # object stores say 403 of what they do not have
                if number == MIRRORS_TRIED:
                    break
        raise NotFound(
            f"{fetched.url or fetched.base_uri}{file.href}: repomd.xml lists it, and the server does not have it"
        )

    def whole(self, fetched: Fetched, kind: str, limit: int) -> bytes:
        """A small data file at once. Raises what `data` raises, and LimitExceeded for more than `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        for piece in self.data(fetched, kind):
            size += len(piece)
            if size > limit:
                raise LimitExceeded(f"{fetched.url}: {kind} of more than {limit} bytes")
            parts.append(piece)
        return b"".join(parts)

    def _base(self, found: "_Found") -> str:
        """Where the files lie: where repomd.xml was, unless a redirect led to a place of another form."""
        if found.final.endswith(_REPOMD):
            return found.final.removesuffix(_REPOMD)
        return self._client.mirrors.apply(found.base) or found.base

    def _places(self, fetched: Fetched, href: str) -> Iterator[str]:
        """The mirror that repomd.xml came from first, where a redirect led; then where it was asked, then others."""
        try:
            whole = urlsplit(href).scheme in ("http", "https")
        except ValueError as error:
            raise MalformedDocument(f"{fetched.url}: repomd.xml lists {href[:200]!r}: {error}") from error
        if whole:
            yield quote(href, safe=_SAFE)
            return
        known = self._mirrors_of.get(fetched.digest, ())
        mapped = self._client.mirrors.apply(fetched.base_uri) is not None
        first = [fetched.base_uri] if mapped else [fetched.url, fetched.base_uri]
        for base in dict.fromkeys((*first, *known)):
            if base:
                yield urljoin(base, quote(href.lstrip("/"), safe=_SAFE.replace("?", "")))

    def _not_asked(self, repository: Repository) -> str:
        """Why a repository is not asked; empty if it is."""
        places = [url for url in (repository.metalink, repository.mirrorlist, *repository.baseurl) if url]
        if not places:
            return f"[{repository.id}] names no place"
        usable = [url for url in places if url.lower().startswith(("http://", "https://"))]
        if not usable:
            return f"[{repository.id}] is not asked: {places[0][:200]} is neither http nor https"
        if repository.client_certificate:
            for url in usable:
                host = (urlsplit(url).hostname or "") if "://" in url else ""
                if self._client.mirrors.apply(url) or (self._entitlement is not None and self._entitlement(host)):
                    return ""
            return (
                f"[{repository.id}] needs an entitlement ({repository.client_certificate}), which an image does not"
                " bring: yours is used with --entitlement-dir"
            )
        return ""

    def _wants_signature(self, repository: Repository, trusted: Trusted) -> bool:
        return bool(trusted.keys) or repository.repo_gpgcheck

    def _found(self, repository: Repository, wants: bool) -> "_Found":
        """The first mirror's repomd.xml that is the newest one that the list names, or the newest of those that it
        allows."""
        mirrors = self._mirrors(repository)
        reasons: list[str] = []
        best: _Found | None = None
        for base in mirrors.bases[:MIRRORS_TRIED]:
            try:
                found = self._repomd(base, mirrors, wants)
            except (SourceError, ContentError) as error:
                reasons.append(str(error))
                continue
            best = best if best is not None and best.age <= found.age else found
            if not best.age:
                break
        if best is not None:
            digest = f"sha256:{hashlib.sha256(best.content).hexdigest()}"
            self._mirrors_of[digest] = tuple(mirrors.bases[: MIRRORS_TRIED * 2])
            late = (f"{shown(best.final)}: older than the newest state that the metalink names",) if best.age else ()
            return msgspec.structs.replace(best, problems=late)
        more = len(mirrors.bases) - MIRRORS_TRIED
        if more > 0:
            reasons.append(f"{more} more mirrors were not tried")
        why = "; ".join(dict.fromkeys((*mirrors.problems, *reasons)))
        raise NotFound(f"[{repository.id}]: {why or 'its list of mirrors is empty'}")

    def _mirrors(self, repository: Repository) -> "_Mirrors":
        """Where to look: by the metalink, else by the mirror list, else by the base URLs, as each of them answers."""
        problems: list[str] = []
        for url in (repository.metalink, repository.mirrorlist):
            if not url:
                continue
            try:
                found = self._client.get(url, limit=LIST_LIMIT, **self._options_for(url))
                if url == repository.metalink or is_metalink(found.body):
                    metalink = read_metalink(found.body, shown(found.url))
                    if metalink.mirrors:
                        return _Mirrors(self._sorted(metalink.mirrors), metalink, url, found.url, tuple(problems))
                    bases: tuple[str, ...] = ()
                else:
                    bases = read_mirrorlist(found.body, shown(found.url))
                if bases:
                    return _Mirrors(self._sorted(bases), None, problems=tuple(problems))
                problems.append(f"{shown(url)}: no mirror is listed there")
            except (SourceError, ContentError) as error:
                problems.append(str(error))
        bases = tuple(url if url.endswith("/") else f"{url}/" for url in repository.baseurl if _is_http(url))
        return _Mirrors(bases, None, problems=tuple(problems))

    def _sorted(self, bases: Sequence[str]) -> tuple[str, ...]:
        """Those that the user mapped first, then https: only they can be authentic by themselves."""

        def worth(base: str) -> tuple[bool, bool]:
            return self._client.mirrors.apply(base) is None, not base.lower().startswith("https:")

        return tuple(sorted(bases, key=worth))

    def _repomd(self, base: str, mirrors: "_Mirrors", wants: bool) -> "_Found":
        options = self._options_for(base)
        found = self._client.get(base + _REPOMD, limit=REPOMD_LIMIT, **options)
        age = 0
        if mirrors.metalink is not None and mirrors.metalink.states:
            number = _state_of(mirrors.metalink, found.body)
            if number is None:
                have = f"sha256:{hashlib.sha256(found.body).hexdigest()}"
                raise DigestMismatch(shown(found.url), "any that the metalink names", have)
            age = number
        repomd = read_repomd(found.body, shown(found.url))
        signature = None
        if wants:
            with contextlib.suppress(NotFound, Denied):
                signature = self._client.get(f"{base}{_REPOMD}.asc", limit=SIGNATURE_LIMIT, **options).body
        listed = mirrors.metalink is not None and bool(mirrors.metalink.states)
        return _Found(
            found.body,
            repomd,
            base,
            found.url,
            signature,
            mirrors.asked if listed else "",
            mirrors.final,
            age,
        )

    def _options_for(self, url: str) -> dict[str, Any]:
        if not self._own_places or not url.startswith(self._own_places):
            return self._options
        from affineur.http.addresses import Reach

        return {"reach": Reach.OWN}


class _Mirrors(msgspec.Struct, frozen=True):
    bases: tuple[str, ...]
    metalink: Metalink | None
    asked: str = ""  # the metalink's URL
    final: str = ""  # where it came from
    problems: tuple[str, ...] = ()


class _Found(msgspec.Struct, frozen=True):
    content: bytes
    repomd: Repomd
    base: str
    final: str
    signature: bytes | None
    list_asked: str  # of the metalink that names its digest; empty where none does
    list_final: str
    age: int = 0  # how many newer states the metalink names
    problems: tuple[str, ...] = ()


def _state_of(metalink: Metalink, content: bytes) -> int | None:
    """Which of a metalink's states these bytes are: 0 the newest; None where it is none of them."""
    have = {f"sha256:{hashlib.sha256(content).hexdigest()}", f"sha512:{hashlib.sha512(content).hexdigest()}"}
    for number, state in enumerate(metalink.states):
        if state.digests <= have:
            return number
    return None


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _listed(fetched: Fetched, kind: str) -> DataFile:
    if fetched.repomd is None:
        raise NotFound(f"[{fetched.repository.id}]: its repomd.xml could not be read")
    if kind in fetched.repomd.data:
        return fetched.repomd.data[kind]
    raise NotFound(f"{fetched.url}: repomd.xml lists no {kind}")
