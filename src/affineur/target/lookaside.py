"""GPG signatures of images, put where those who pull from the target look for them.

Beside a registry: into the folder that registries.d names as `lookaside-staging` (else `lookaside`), as skopeo does; a
folder alone, since the protocol has no way to write to a server. Signatures that lie there stay, and new ones follow
them. In a folder of skopeo's `dir:`: `signature-N`. The registry's own extension for signatures
(`X-Registry-Supports-Signatures`) is not written.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Sequence

import msgspec

from affineur.errors import SourceError
from affineur.http.urls import shown
from affineur.oci.digest import Digest
from affineur.oci.place import AnyReference, Place
from affineur.source.configuration.registriesd import RegistriesD, folder_of
from affineur.source.lookaside import MAX_SIGNATURES, below, signature_file

__all__ = ["LookasideTarget", "Stored"]


class Stored(msgspec.Struct, frozen=True):
    """What became of one manifest's signatures.

    Attributes:
        written: how many were put there now.
        present: how many of them lay there already.
        where: the folder; "" where there is none.
        why: why they could not be carried, and what to do; "" if they were.
    """

    written: int = 0
    present: int = 0
    where: str = ""
    why: str = ""


class LookasideTarget:
    """Writes signatures, wherever the image goes. Safe for several threads, and beside other writers."""

    def __init__(self, configuration: RegistriesD) -> None:
        """Nothing is written yet."""
        self._configuration = configuration

    def store(
        self, reference: AnyReference, digest: Digest, signatures: Sequence[bytes], *, child: bool = False
    ) -> Stored:
        """Put signatures of a manifest or index where they are looked for; none, and nothing happens.

        Args:
            reference: where the manifest is put; of a registry's, tag and digest only choose a section of registries.d.
            signatures: as they lay at the source; whether they hold is not judged.
            child: the manifest lies in an index that is put there too (it makes a difference in a `dir:` alone).

        Raises nothing: a folder that cannot be written is told in the answer, too.
        """
        if not signatures:
            return Stored()
        if isinstance(reference, Place):
            if reference.transport != "dir":
                return Stored(why=f"{reference.transport}: has no place for signatures of its images")
            return _numbered(reference.path, f"{digest.encoded}." if child else "", signatures)
        place = self._configuration.writing(reference)
        if place is None:
            return Stored(
                why=f"registries.d names no lookaside-staging for {reference.name};"
                f" {self._configuration.advice(reference)}"
            )
        folder = folder_of(place.url)
        if folder is None:
            return Stored(
                why=f"{shown(place.url)} ({place.said}) cannot be written, only read;"
                f" {self._configuration.advice(reference)}"
            )
        path = f"{folder}/{below(reference, digest)}"
        try:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103 - as `path` is made: of text
        except OSError as problem:
            return Stored(where=path, why=f"{path}: cannot be made: {problem.strerror or problem}")
        return _numbered(path, "", signatures)


def _numbered(folder: str, before: str, signatures: Sequence[bytes]) -> Stored:
    """Each that does not lie there gets the first free number: readers stop at the first that is missing."""
    there: list[bytes] = []
    written = present = 0
    why = ""
    try:
        for signature in signatures:
            ours = False
            _look(folder, before, there)
            while signature not in there:
                known = len(there)
                if known == MAX_SIGNATURES:
                    raise SourceError(f"{folder}: holds {MAX_SIGNATURES}, and no more are read")
                ours = _placed(folder, f"{before}signature-{known + 1}", signature)
                _look(folder, before, there)
                if len(there) == known:  # neither ours nor another writer's, who was faster
                    raise SourceError(f"{folder}: {before}signature-{known + 1} is there, and leads nowhere")
            written += ours
            present += not ours
    except SourceError as problem:
        why = str(problem)
    except OSError as problem:
        why = f"{folder}: cannot be written: {problem.strerror or problem}"
    return Stored(written, present, folder, why)


def _look(folder: str, before: str, there: list[bytes]) -> None:
    """Read what lies there beyond what is known."""
    while len(there) < MAX_SIGNATURES:
        found = signature_file(f"{folder}/{before}signature-{len(there) + 1}")
        if found is None:
            return
        there.append(found)


def _placed(folder: str, name: str, signature: bytes) -> bool:
    """Whether it has got this name; False where something has it already. Nobody sees half of it."""
    new = f"{folder}/.{name}.{secrets.token_hex(8)}"
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)  # a server's user reads it, too
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(signature)
            opened.flush()
            os.fsync(file)
        _named(new, f"{folder}/{name}")
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(new)  # noqa: PTH108
    return True


def _named(new: str, name: str) -> None:
    """Raises FileExistsError, whoever was faster."""
    try:
        os.link(new, name)
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP):
            raise
        if os.path.lexists(name):  # a file system without hard links
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from problem
        os.rename(new, name)  # noqa: PTH104
