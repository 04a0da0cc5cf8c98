"""What was copied, for people: what came along, what did not, in 80 columns."""

from collections import Counter

from affineur.move.receipt import Copied, MovedManifest, Receipt
from affineur.report.layout import Page

__all__ = ["render", "render_receipt"]

LISTED = 12
"""Lines of one kind; the document has them all."""
MEGABYTE = 1_000_000


def render(outcome: Copied, width: int = 80, colour: bool = False) -> str:
    """Return what became of one image; where it was judged, the verdict was shown before."""
    if outcome.receipt is not None:
        return render_receipt(outcome.receipt, width, colour)
    page = Page(width, colour)
    page.paragraph(f"{outcome.source} → {outcome.target}", 0, "strong")
    why = outcome.problem or {"reject": "rejected", "undetermined": "undetermined"}.get(str(outcome.decision), "")
    page.fact("nothing", f"was written: {why}", 10, "bad")
    return page.text()


def render_receipt(receipt: Receipt, width: int = 80, colour: bool = False) -> str:
    """Return what was moved, what came along and what did not."""
    page = Page(width, colour)
    page.paragraph(f"{receipt.source} → {receipt.target}", 0, "strong")
    known = {each.digest: each for each in receipt.manifests}
    page.fact(known[receipt.digest].what if receipt.digest in known else "image", receipt.digest, 10)
    if len(receipt.tags) > 1:
        page.fact("tags", ", ".join(receipt.tags), 10)
    page.fact("blobs", _blobs(receipt), 10)
    sent = sum(each.how == "sent" for each in receipt.manifests)
    present = len(receipt.manifests) - sent
    page.fact("manifests", ", ".join([*([f"{sent} sent"] if sent else []), *_there(present)]) or "none", 10)
    if receipt.sparse:
        left = ", ".join(receipt.sparse[:LISTED])
        page.fact("sparse", f"the index names platforms that were left out: {left}", 10, "warn")
    page.fact("verified", receipt.verified, 10)
    if receipt.carried:
        page.title("Came along")
        speaking = Counter((each.kind, _subject(known, each.subject), each.found_by) for each in receipt.carried)
        lines = [
            f"{kind}, of {subject} ({found_by})" + (f", {count} of them" if count > 1 else "")
            for (kind, subject, found_by), count in speaking.items()
        ]
        _listed(page, lines)
    if receipt.not_carried:
        page.title("Did not come along")
        _listed(page, [f"{each.what}: {each.why}" for each in receipt.not_carried])
    if receipt.unassessed:
        page.title("Could not be told")
        _listed(page, [f"{each.what}: {each.why}" for each in receipt.unassessed])
    return page.text()


def _subject(known: dict[str, MovedManifest], digest: str) -> str:
    return f"{known[digest].what} {digest[:19]}…" if digest in known else digest


def _blobs(receipt: Receipt) -> str:
    counts = Counter(each.how for each in receipt.blobs)
    parts = []
    if moved := counts["sent"] + counts["resumed"]:
        parts.append(f"{moved} sent ({receipt.sent_bytes / MEGABYTE:.1f} MB)")
    if counts["resumed"]:
        had = sum(each.had for each in receipt.blobs)
        parts.append(f"{counts['resumed']} of them gone on with, after {had / MEGABYTE:.1f} MB")
    if counts["mounted"]:
        parts.append(f"{counts['mounted']} taken over within the registry, not sent")
    return ", ".join([*parts, *_there(counts["present"])]) or "none"


def _there(count: int) -> list[str]:
    return [f"{count} already there"] if count else []


def _listed(page: Page, lines: list[str]) -> None:
    for line in lines[:LISTED]:
        page.fact("-", line, 2)
    if len(lines) > LISTED:
        page.paragraph(f"… and {len(lines) - LISTED} more (--receipt lists them all)")
