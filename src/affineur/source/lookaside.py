"""GPG signatures of images, read from where they lie beside the registry; whether they hold is not judged here.

containers/image, docs/signature-protocols.md § docker/distribution registries—separate storage: for N = 1, 2 … until
one is missing, `BASE/REPOSITORY@ALGORITHM=HEX/signature-N`, where BASE is what registries.d says. A folder of skopeo's
`dir:` has them as `signature-N`, and for the children of its index as `HEX.signature-N`. The registry's own extension
for signatures (`X-Registry-Supports-Signatures`, of OpenShift) is not read.
"""

import os
import stat
import time
from collections.abc import Callable
from threading import Lock
from urllib.parse import urlsplit, urlunsplit

import msgspec

from affineur.errors import Error, InputError, RateLimited, SourceError, Unreachable
from affineur.evidence import Unassessed
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.urls import shown
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES
from affineur.oci.place import AnyReference, Place
from affineur.oci.reference import Reference
from affineur.oci.schema1 import content_digest
from affineur.source.configuration.registriesd import RegistriesD, folder_of
from affineur.source.files import Folder, Missing, content

__all__ = ["LookasideSource", "Signatures", "below", "signature_file"]

MAX_SIGNATURES = 128
"""Of one manifest: as containers/image has it; a server may have an answer for every number."""
MAX_SIGNATURE_BYTES = 4 * 1024 * 1024
"""As containers/image has it."""
MAX_TOTAL_BYTES = 16 * 1024 * 1024
"""Of one manifest's signatures together: they are held in memory, and have some hundred bytes each."""
BUDGET_S = 120.0
"""For all questions to one place in a run: it need not answer at once, nor hold up a copy for hours."""

# RFC 9580 § 4.2, § 5: a signed message begins with a signature, a one-pass signature or compressed data
_PACKETS = (2, 4, 8)
_OLD_FORMAT = frozenset(0x80 | tag << 2 | size for tag in _PACKETS for size in range(4))
_NEW_FORMAT = frozenset(0xC0 | tag for tag in _PACKETS)
_SIGSTORE = b"\0sigstore-json\n"
"""What containers/image writes before a signature of cosign's in a folder."""


class Signatures(msgspec.Struct, frozen=True):
    """What was found for one manifest.

    Attributes:
        found: each as it lies there, in order.
        where: a URL or folder, without its login and query; "" where there is no such place.
        problems: what could not be told; then there may be more than was found.
    """

    found: tuple[bytes, ...] = ()
    where: str = ""
    problems: tuple[Unassessed, ...] = ()


class LookasideSource:
    """Signatures of images, wherever these live. Safe for several threads.

    Attributes:
        configuration: registries.d.
    """

    def __init__(self, configuration: RegistriesD, client: Client) -> None:
        """Nothing is asked yet."""
        self.configuration, self._client = configuration, client
        self._silent: dict[str, str] = {}
        self._spent_s: dict[str, float] = {}
        self._lock = Lock()

    def signatures(self, reference: AnyReference, digest: Digest) -> Signatures:
        """The signatures of a manifest or index. What could not be told is in the answer, and never raised.

        Args:
            reference: where it lives; of a registry's, tag and digest only choose a section of registries.d.
            digest: of the manifest, which need not be what the reference names.
        """
        if isinstance(reference, Place):
            return self._beside(reference, digest) if reference.transport == "dir" else Signatures()
        place = self.configuration.reading(reference)
        if place is None:
            return Signatures()
        folder = folder_of(place.url)
        if folder is not None:
            path = f"{folder}/{below(reference, digest)}"
            return _collected(lambda number: signature_file(f"{path}/signature-{number}"), path, digest)
        parts = urlsplit(place.url)
        base = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{below(reference, digest)}", fragment=""))
        return _collected(lambda number: self._of_server(place.url, base, number), shown(base), digest)

    def _of_server(self, place: str, base: str, number: int) -> bytes | None:
        """Raises SourceError, ContentError; a place that did not answer once is not asked again in this run."""
        with self._lock:
            silent = self._silent.get(place, "")
            if self._spent_s.get(place, 0.0) > BUDGET_S:
                silent = silent or f"{shown(place)}: has taken more than {BUDGET_S:.0f} s; not asked any more"
        if silent:
            raise SourceError(silent)
        parts = urlsplit(base)
        url = urlunsplit(parts._replace(path=f"{parts.path}/signature-{number}"))
        start = time.monotonic()
        try:
            answer = self._client.get(url, limit=MAX_SIGNATURE_BYTES, reach=Reach.OWN, also=(404,))
        except (Unreachable, RateLimited) as problem:
            with self._lock:
                self._silent[place] = str(problem)
            raise
        finally:
            with self._lock:
                self._spent_s[place] = self._spent_s.get(place, 0.0) + time.monotonic() - start
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise SourceError(f"{shown(url)}: answers HTTP {answer.status}")
        return answer.body

    @staticmethod
    def _beside(place: Place, digest: Digest) -> Signatures:
        files = Folder(place.path)

        def read(number: int) -> bytes | None:
            try:
                return content(files, f"{before}signature-{number}", MAX_SIGNATURE_BYTES)
            except Missing:
                return None

        before = ""
        try:
            digest.hasher()  # what cannot be verified is not looked for
            top = content(files, "manifest.json", MAX_DOCUMENT_BYTES)
            if content_digest(top, place.name, digest.algorithm) != digest:
                before = f"{digest.encoded}."
        except Error as problem:
            return Signatures((), place.name, (_untold(digest, problem),))
        return _collected(read, place.name, digest)


def below(reference: Reference, digest: Digest) -> str:
    """`team/app@sha256=HEX`, the path below a lookaside's URL: without the registry, and `=` for the colon."""
    return f"{reference.repository}@{digest.algorithm}={digest.encoded}"


def _collected(read: Callable[[int], bytes | None], where: str, digest: Digest) -> Signatures:
    """Ask for one number after the other."""
    found: list[bytes] = []
    total = 0
    try:
        while (signature := read(len(found) + 1)) is not None:
            if not _may_be_signature(signature):
                raise SourceError(
                    f"{where}/signature-{len(found) + 1} is no signature; a page of the server's, perhaps"
                )
            total += len(signature)
            if len(found) == MAX_SIGNATURES or total > MAX_TOTAL_BYTES:
                raise SourceError(f"{where}: more than {MAX_SIGNATURES} signatures, or {MAX_TOTAL_BYTES} bytes of them")
            found.append(signature)
    except InputError:
        raise
    except Error as problem:
        return Signatures(tuple(found), where, (_untold(digest, problem),))
    return Signatures(tuple(found), where)


def _untold(digest: Digest, problem: Error) -> Unassessed:
    return Unassessed(f"signatures of {digest}", str(problem))


def _may_be_signature(signature: bytes) -> bool:
    return bool(signature) and (signature[0] in _OLD_FORMAT | _NEW_FORMAT or signature.startswith(_SIGSTORE))


def signature_file(path: str) -> bytes | None:
    """A file of a folder that the user's configuration names, or None where there is none. Raises SourceError.

    Links are followed, fifos are not waited for.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise SourceError(f"{path}: {problem.strerror or problem}") from problem
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise SourceError(f"{path}: not a file")
        with os.fdopen(file, "rb", closefd=False) as opened:
            read = opened.read(MAX_SIGNATURE_BYTES + 1)
    except OSError as problem:
        raise SourceError(f"{path}: {problem.strerror or problem}") from problem
    finally:
        os.close(file)
    if len(read) > MAX_SIGNATURE_BYTES:
        raise SourceError(f"{path}: more than {MAX_SIGNATURE_BYTES} bytes")
    return read
