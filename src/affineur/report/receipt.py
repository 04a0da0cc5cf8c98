"""A receipt for people: what was moved, what came along, what did not, in 80 columns."""

from collections import Counter

from affineur.move.receipt import Receipt
from affineur.report.layout import Page

__all__ = ["render"]

LISTED = 12
"""Lines of one kind; the receipt itself has them all."""
MEGABYTE = 1_000_000


def render(receipt: Receipt, width: int = 80, colour: bool = False) -> str:
    """Return the text of one receipt."""
    page = Page(width, colour)
    page.paragraph(f"{receipt.source} → {receipt.target}", 0, "strong")
    what = receipt.manifests[0].what if receipt.manifests else "image"
    page.fact(what, receipt.digest, 10)
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
        _listed(page, [f"{each.kind}, of {each.subject} ({each.found_by})" for each in receipt.carried])
    if receipt.not_carried:
        page.title("Did not come along")
        _listed(page, [f"{each.what}: {each.why}" for each in receipt.not_carried])
    if receipt.unassessed:
        page.title("Could not be told")
        _listed(page, [f"{each.what}: {each.why}" for each in receipt.unassessed])
    return page.text()


def _blobs(receipt: Receipt) -> str:
    counts = Counter(each.how for each in receipt.blobs)
    parts = []
    if moved := counts["sent"] + counts["resumed"]:
        parts.append(f"{moved} sent ({receipt.sent_bytes / MEGABYTE:.1f} MB)")
    if counts["resumed"]:
        had = sum(each.had for each in receipt.blobs)
        parts.append(f"{counts['resumed']} of them gone on with, after {had / MEGABYTE:.1f} MB")
    if counts["mounted"]:
        parts.append(f"{counts['mounted']} taken over from {receipt.source.partition('@')[0]}, not sent")
    return ", ".join([*parts, *_there(counts["present"])]) or "none"


def _there(count: int) -> list[str]:
    return [f"{count} already there"] if count else []


def _listed(page: Page, lines: list[str]) -> None:
    for line in lines[:LISTED]:
        page.paragraph(f"- {line}")
    if len(lines) > LISTED:
        page.paragraph(f"… and {len(lines) - LISTED} more (--receipt lists them all)")
