"""What was moved: values that say it all, for people, for programs and for an archive. JSON: docs/reference/json.md."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from affineur.evidence import Unassessed

if TYPE_CHECKING:
    from affineur.assessment.model import Assessment
    from affineur.trust.model import Decision

__all__ = ["Carried", "Copied", "MovedBlob", "MovedManifest", "NotCarried", "Receipt"]


class MovedBlob(msgspec.Struct, frozen=True):
    """A config or a layer.

    Attributes:
        size: bytes.
        how: "present": the target had it; "mounted": it took it from another repository of its own; "sent"; "resumed":
            the rest of it was sent, after `had` bytes of an earlier call.
    """

    digest: str
    size: int
    how: Literal["present", "mounted", "sent", "resumed"]
    had: int = 0


class MovedManifest(msgspec.Struct, frozen=True):
    """A manifest or an index, byte for byte.

    Attributes:
        what: "image", "index", "platform linux/arm64", "signature" …: for people.
        how: "present" or "sent".
    """

    digest: str
    media_type: str
    size: int
    what: str
    how: Literal["present", "sent"]


class Carried(msgspec.Struct, frozen=True):
    """Something that speaks of what is moved, and came along.

    Attributes:
        kind: what such things are called; its artifact type where that is not known.
        subject: the digest that it speaks of.
        found_by: "referrers API", "referrers tag", "layout", "tag of cosign", "lookaside"; "made here".
        tag: of those that are found by their name.
    """

    digest: str
    kind: str
    subject: str
    found_by: str
    tag: str | None = None


class NotCarried(msgspec.Struct, frozen=True, order=True):
    """Something that did not come along, and why. That is known; what is not known is in `Receipt.unassessed`."""

    what: str
    why: str


class Receipt(msgspec.Struct, frozen=True):
    """One image (or artifact), from one place to another.

    Attributes:
        source, target: as they are called in full.
        digest: of what the target's tags name now.
        tags: that name it there.
        sparse: platforms of the index that were left out on purpose; the index names them all the same.
        verified: what was looked at in the target, after all was there; a sentence.
        sent_bytes: bytes of blobs that went to the target in this call.
        unassessed: what could not be told: whether there is more that should have come along.
    """

    source: str
    target: str
    digest: str
    media_type: str
    tags: tuple[str, ...]
    manifests: tuple[MovedManifest, ...]
    blobs: tuple[MovedBlob, ...]
    carried: tuple[Carried, ...]
    not_carried: tuple[NotCarried, ...]
    unassessed: tuple[Unassessed, ...]
    sparse: tuple[str, ...]
    verified: str
    sent_bytes: int
    began: datetime
    seconds: float


class Copied(msgspec.Struct, frozen=True):
    """What became of one image; a value for `report`, not for JSON.

    Attributes:
        source, target: as they are called in full, where that was found out.
        exit_code: what it alone would end with.
        decision: the policy's, of all its images together; None without one.
        receipt: None where nothing was written.
        problem: what went wrong; "" where nothing did.
    """

    source: str
    target: str
    exit_code: int
    decision: "Decision | None" = None
    receipt: Receipt | None = None
    assessments: "tuple[Assessment, ...]" = ()
    problem: str = ""
