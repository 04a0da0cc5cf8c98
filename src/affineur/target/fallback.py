"""The referrers tag of registries that keep no list: distribution-spec 1.1 § Pushing Manifests with Subject.

Then it is the client who lists a manifest in the index at the subject's tag. There is no lock: another client may do
the same at the same time, and whoever writes last wins. So what was written is read again, at once and at the end.
"""

import json
import random
import threading
from collections.abc import Callable
from typing import Any

from affineur.errors import LimitExceeded, NotFound, SourceError, UnsupportedContent
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded
from affineur.oci.manifest import KEYS, OCI_INDEX, Index, Manifest, read_manifest
from affineur.source.access import Access
from affineur.source.referrers import MAX_REFERRERS, fallback_tag

__all__ = ["ReferrersTags"]

MAX_TRIES = 8
"""Times that an entry is written which another writer's has taken away again."""
PAUSE_S = 0.1
MAX_ANSWER_BYTES = 256 * 1024


class ReferrersTags:
    """The referrers tags of one repository. Safe for several threads."""

    def __init__(self, access: Access, sleep: Callable[[float], object]) -> None:
        """Nothing is asked yet."""
        self._access, self._sleep = access, sleep
        self._lock = threading.Lock()
        self._added: dict[Digest, dict[str, dict[str, Any]]] = {}

    def add(self, subject: Digest, document: Document, parsed: Manifest | Index) -> None:
        """List a manifest that has been stored. Raises SourceError, and as `Access.ask`."""
        entry: dict[str, Any] = {
            "mediaType": parsed.media_type,
            "digest": str(document.digest),
            "size": len(document.content),
        }
        # § Listing Referrers: the manifest's artifactType, else its config's type
        kind = parsed.artifact_type or (parsed.config.media_type if isinstance(parsed, Manifest) else None)
        if kind:
            entry["artifactType"] = kind
        if parsed.annotations:
            entry["annotations"] = parsed.annotations
        with self._lock:
            self._added.setdefault(subject, {})[str(document.digest)] = entry
            self._ensure(subject)

    def keep(self) -> None:
        """Look at each tag once more, and mend it where another writer has lost an entry of ours. Raises as `add`."""
        with self._lock:
            for subject in self._added:
                self._ensure(subject)

    def _ensure(self, subject: Digest) -> None:
        for attempt in range(MAX_TRIES):
            if attempt:
                self._sleep(PAUSE_S * attempt * random.uniform(0.5, 1.5))  # noqa: S311
            index, tagged = self._read(subject)
            there = {entry.get("digest") for entry in index["manifests"]}
            missing = [entry for digest, entry in self._added[subject].items() if digest not in there]
            if not missing:
                return
            index["manifests"] = [*index["manifests"], *missing]
            if len(index["manifests"]) > MAX_REFERRERS:
                raise LimitExceeded(f"{self._what(subject)}: more than {MAX_REFERRERS} entries")
            self._write(subject, json.dumps(index).encode(), tagged)
        raise SourceError(
            f"{self._what(subject)}: what is written there is lost again to others who write at the same time;"
            " run the command again when they are done"
        )

    def _read(self, subject: Digest) -> tuple[dict[str, Any], str]:
        """The index that is there, with all that it says, or an empty one; and its ETag."""
        what = self._what(subject)
        try:
            answer = self._access.get(self._url(subject), what, MAX_DOCUMENT_BYTES, OCI_INDEX)
        except NotFound:
            return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, ""
        media_type = answer.headers.get("Content-Type").partition(";")[0].strip().lower()
        document = Document(answer.body, media_type, Digest.of(answer.body), self._url(subject))
        if not isinstance(parsed := read_manifest(document), Index) or parsed.media_type != OCI_INDEX:
            raise UnsupportedContent(f"{what}: is no index, but somebody's {media_type[:100]}: left alone")
        index: dict[str, Any] = decoded(answer.body, dict[str, Any], what, KEYS)
        return index, answer.headers.get("ETag")

    def _write(self, subject: Digest, content: bytes, tagged: str) -> None:
        # RFC 9110 § 13.1.1: a weak ETag (of a proxy that compresses) never matches
        headers = {"Content-Type": OCI_INDEX} | ({"If-Match": tagged} if tagged.startswith('"') else {})
        self._access.ask(
            "PUT",
            self._url(subject),
            self._what(subject),
            limit=MAX_ANSWER_BYTES,
            headers=headers,
            body=content,
            also=(412,),  # RFC 9110 § 13.1.1: another was faster; it is read again in any case
        )

    def _url(self, subject: Digest) -> str:
        return f"{self._access.url}/manifests/{fallback_tag(subject)}"

    def _what(self, subject: Digest) -> str:
        return f"{self._access.reference.name}: the list of what refers to {subject} (tag {fallback_tag(subject)})"
