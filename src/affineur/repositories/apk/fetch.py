"""Indexes, fetched and verified; then what they offer of the names that matter.

Nothing of an index counts, nor is unpacked, but what its signature covers. What cannot be had or believed becomes a
problem of the index; only faults of ours are raised.
"""

import hashlib
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from affineur.errors import ContentError, SourceError
from affineur.repositories.apk.index import Contents, parse_index, unpacked
from affineur.repositories.apk.model import ApkConfiguration, ApkIndex, ApkRepository, OfferedIndex
from affineur.repositories.apk.rsa import PublicKey
from affineur.repositories.apk.signed import named_keys, opened, verified_by

if TYPE_CHECKING:
    from affineur.http.addresses import Reach
    from affineur.http.client import Client

__all__ = ["Fetcher", "Keys"]

INDEX_LIMIT = 128 << 20  # bytes of one index as transferred; the largest known have 12 MB
AT_ONCE = 4  # repositories fetched side by side
OWN_S = 300.0  # seconds after which no further repository of the image is begun


class Keys(msgspec.Struct, frozen=True):
    """The keys that may vouch for an index.

    Attributes:
        keys: by file name.
        by_name: only the key that a signature names is tried, which is apk's way; else all of them.
    """

    keys: Mapping[str, PublicKey]
    by_name: bool = True


class Fetcher:
    """Fetches the indexes of one image; what is asked for twice is fetched once. Safe for threads.

    Args:
        client: applies the mirror map, the address policy and the limits.
        architecture: apk's name of the one whose indexes are read.
        reach: how local the image's URLs may lead; the client's default where not given.
    """

    def __init__(self, client: "Client", architecture: str, reach: "Reach | None" = None) -> None:
        self._client, self.architecture = client, architecture
        self._options: dict[str, Any] = {} if reach is None else {"reach": reach}
        self._own_places: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._bodies: dict[str, tuple[bytes, str] | SourceError | ContentError] = {}

    def own_places(self, urls: Collection[str]) -> None:
        """Say which repositories the user named: what lies below them may be on this machine or a private network."""
        self._own_places = tuple(f"{url.rstrip('/')}/" for url in urls)

    def fetch(self, configuration: ApkConfiguration, names: Collection[str] | None) -> tuple[OfferedIndex, ...]:
        """Every repository of an image with its offers, side by side, in its order, by the image's own keys.

        Args:
            names: of the packages that matter; None for all.
        """
        keys, problems = named_keys(configuration.keys.items())
        deadline = time.monotonic() + OWN_S

        def fetched(repository: ApkRepository) -> OfferedIndex:
            if time.monotonic() > deadline:
                why = f"not asked: those before it took {OWN_S:.0f} s, all the time that there is"
                return OfferedIndex(ApkIndex(repository, repository.public_url, problems=(why,)))
            found, contents = self.index(repository, Keys(keys))
            if not found.verified and problems:
                found = msgspec.structs.replace(found, problems=(*found.problems, *problems))
            return self.offers(found, contents, names)

        repositories = configuration.repositories
        if not repositories:
            return ()
        with ThreadPoolExecutor(min(AT_ONCE, len(repositories))) as pool:
            return tuple(pool.map(fetched, repositories))

    def index(self, repository: ApkRepository, keys: Keys) -> tuple[ApkIndex, Contents | None]:
        """Fetch and verify one index; its contents are None unless it is verified. Never raises for what it holds."""
        url = repository.index_of(self.architecture)
        try:
            body, final = self._body(url)
        except (SourceError, ContentError) as error:
            return ApkIndex(repository, url, problems=(str(error),)), None
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        names: tuple[str, ...] = ()
        signers: tuple[str, ...] = ()
        try:
            signed = opened(body, final)
            names = tuple(signature.key_name for signature in signed.signatures)
            signers = verified_by(signed, keys.keys, final, by_name=keys.by_name)
            contents = unpacked(signed.content, final)
        except ContentError as error:
            found = ApkIndex(
                repository, final, signers, names, verified=bool(signers), digest=digest, problems=(str(error),)
            )
            return found, None
        found = ApkIndex(
            repository=repository,
            url=final,
            signers=signers,
            key_names=names,
            verified=True,
            digest=digest,
            description=contents.description,
            newest=contents.newest,
            count=contents.count,
        )
        return found, contents

    def offers(self, index: ApkIndex, contents: Contents | None, names: Collection[str] | None) -> OfferedIndex:
        """What an index offers; one that is broken adds a problem, and none of its records."""
        if contents is None:
            return OfferedIndex(index)
        try:
            return OfferedIndex(index, tuple(parse_index(contents.text, names, index.url)))
        except ContentError as error:
            return OfferedIndex(msgspec.structs.replace(index, problems=(*index.problems, str(error))))

    def checked(self, url: str) -> bool:
        """Whether what came from a URL came over TLS, from whom the certificate says."""
        return self._client.verifies(url)

    def _body(self, url: str) -> tuple[bytes, str]:
        """(the file, where it came from in the end), fetched by whoever asks first."""
        with self._lock:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            if url not in self._bodies:
                try:
                    response = self._client.get(url, limit=INDEX_LIMIT, **self._options_for(url))
                    self._bodies[url] = response.body, response.url
                except (SourceError, ContentError) as error:
                    self._bodies[url] = error
            found = self._bodies[url]
        if isinstance(found, tuple):
            return found
        raise found

    def _options_for(self, url: str) -> dict[str, Any]:
        if not self._own_places or not url.startswith(self._own_places):
            return self._options
        from affineur.http.addresses import Reach

        return {"reach": Reach.OWN}
