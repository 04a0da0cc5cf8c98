"""A registry that is written to: distribution-spec 1.1 § Push."""

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

import msgspec

from affineur.errors import ContentError, DigestMismatch, ForbiddenAddress, NotFound
from affineur.http.client import Client
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded
from affineur.oci.manifest import ACCEPT, Schema1, read_manifest
from affineur.oci.place import AnyReference
from affineur.oci.reference import Reference, parse_reference
from affineur.oci.schema1 import content_digest
from affineur.source.access import Access
from affineur.source.credentials import Logins
from affineur.target.fallback import ReferrersTags
from affineur.target.sessions import ForgetfulSessions, Sessions
from affineur.target.target import Content, Holds, Moved
from affineur.target.upload import Upload

__all__ = ["RegistryTarget"]

MAX_ANSWER_BYTES = 256 * 1024
MAX_TAGGED_AGAIN = 3
"""Times that a tag is set again which the registry says it has set to something else: nobody else would mend it."""
_ACCEPT = ", ".join(ACCEPT)


class RegistryTarget:
    """One repository of a registry. See `Target` for the contract."""

    holds = Holds()

    def __init__(
        self,
        reference: Reference,
        client: Client,
        logins: Logins | None = None,
        *,
        insecure: bool = False,
        sessions: Sessions | None = None,
        access: Access | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Nothing is asked yet.

        Args:
            logins, insecure, access: as for `RegistrySource`; the access must be for "pull,push".
            sessions: where uploads that broke off are remembered.
        """
        self.reference: AnyReference = reference
        self.access = access or Access(reference, client, logins, insecure=insecure, actions="pull,push")
        self._sessions = sessions or ForgetfulSessions()
        self._sleep = sleep
        self._uploads: dict[Digest, Upload] = {}  # those that a refused mount has begun
        self._listed = ReferrersTags(self.access, sleep)
        self._lock = Lock()

    def check(self) -> None:
        """Raises ForbiddenAddress: the user's map of URLs leads from this registry to another place."""
        registry = self.reference.registry
        if any(self.access.client.mirrors.apply(f"{scheme}://{registry}") for scheme in ("https", "http")):
            raise ForbiddenAddress(
                f"{registry} is mapped to {self.access.base}: name that one, if the image is to be written there"
            )

    def digest(self, which: str | None = None) -> Digest | None:
        """See `Target`: by HEAD, as the registry says it; by our own hash where it says nothing."""
        name = which or self.reference.which
        url, what = self._manifest_url(name), self._named(name)
        answer = self.access.ask("HEAD", url, what, limit=0, headers={"Accept": _ACCEPT}, also=(404,))
        if answer.status == 404:
            return None
        said = answer.headers.get("Docker-Content-Digest")
        with suppress(ContentError):
            if said:
                return Digest(said)
        found = self._read(name)
        return found.digest if found is not None else None

    def manifest(self, digest: Digest) -> Document | None:
        """See `Target`."""
        digest.hasher()  # what cannot be verified is not asked for
        return self._read(digest)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """See `Target`: by HEAD; a registry that states no size is believed."""
        descriptor.digest.hasher()  # what cannot be verified is not asked for
        url = f"{self.access.url}/blobs/{descriptor.digest}"
        answer = self.access.ask("HEAD", url, f"{self.reference.name}: {descriptor.digest}", limit=0, also=(404,))
        if answer.status == 404:
            return False
        return answer.headers.get("Content-Length") in ("", str(descriptor.size))

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        """See `Target`."""
        same_place = isinstance(origin, Reference) and origin.registry == self.reference.registry
        if not same_place or origin.repository == self.reference.repository:
            return False
        upload = self._upload(descriptor)
        if upload.mounted(origin.repository):
            return True
        with self._lock:
            self._uploads[descriptor.digest] = upload
        return False

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """See `Target`."""
        with self._lock:
            upload = self._uploads.pop(descriptor.digest, None)
        return (upload or self._upload(descriptor)).send(content, moved)

    def put_manifest(self, document: Document) -> None:
        """See `Target`. Where the registry keeps no list of referrers, the index at the referrers tag is kept."""
        answer_subject = self._put(document, document.digest)
        parsed = read_manifest(document)
        if isinstance(parsed, Schema1) or parsed.subject is None:
            return
        if answer_subject != parsed.subject.digest:
            self._listed.add(parsed.subject.digest, document, parsed)

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        """See `Target`. What came to be named by other bytes, changed on the way, is named again by the right ones."""
        name = tag or self.reference.tag or document.digest
        for left in range(MAX_TAGGED_AGAIN, -1, -1):
            try:
                self._put(document, name)
            except DigestMismatch:
                if not left:
                    raise
            else:
                return

    def finish(self) -> None:
        """See `Target`. What was listed at a referrers tag may have been lost to another writer: it is looked at."""
        self._listed.keep()

    def abandon(self) -> None:
        """See `Target`. Sessions stay open, so that the next call can go on; registries end them by themselves."""

    def _upload(self, descriptor: Descriptor) -> Upload:
        return Upload(descriptor, self.access, self._sessions, self.has_blob, self._sleep)

    def _put(self, document: Document, name: str) -> str:
        """Store a manifest under a tag or digest. Returns what the registry says of its subject (OCI-Subject)."""
        what = self._named(name)
        headers = {"Content-Type": media_type(document)}
        url = self._manifest_url(name)
        answer = self.access.ask("PUT", url, what, limit=MAX_ANSWER_BYTES, headers=headers, body=document.content)
        said = answer.headers.get("Docker-Content-Digest")
        if said and said != document.digest and said.partition(":")[0] == document.digest.algorithm:
            raise DigestMismatch(f"{what}: as the registry has it", document.digest, said[:200])
        return answer.headers.get("OCI-Subject")

    def _read(self, name: str) -> Document | None:
        what = self._named(name)
        url = self._manifest_url(name)
        try:
            answer = self.access.get(url, what, MAX_DOCUMENT_BYTES, _ACCEPT)
        except NotFound:
            return None
        promised = Digest(name) if ":" in name else None
        digest = content_digest(answer.body, what, promised.algorithm if promised is not None else "sha256")
        if promised is not None and digest != promised:
            raise DigestMismatch(what, promised, digest)
        return Document(answer.body, answer.headers.get("Content-Type").partition(";")[0].strip().lower(), digest, url)

    def _named(self, name: str) -> str:
        return f"{self.reference.name}{'@' if ':' in name else ':'}{name}"

    def _manifest_url(self, name: str) -> str:
        """Raises InvalidReference: no tag or digest, and so perhaps the address of something else."""
        parse_reference(f"docker://{self._named(name)}")
        return f"{self.access.url}/manifests/{name}"


def media_type(document: Document) -> str:
    """What a manifest is sent as. Raises SourceError: it cannot be told."""
    found = decoded(document.content, _Typed, document.source).media_type or document.media_type
    return found or read_manifest(document).media_type


class _Typed(msgspec.Struct, rename="camel"):
    media_type: str = ""
