"""The page of `affineur inspect` for a terminal."""

from affineur.image.inspection import Inspection, More, PlatformFacts
from affineur.report.layout import Page

__all__ = ["megabytes", "render"]

TAGS_SHOWN = 20
LABELS_SHOWN = 24
REFERRERS_SHOWN = 24


def render(found: Inspection, width: int = 80, colour: bool = False) -> str:
    """Return what is known of an image before any layer is read, as a page."""
    page = Page(width, colour)
    more = found.affineur
    page.paragraph(more.reference, 0, "strong")
    page.fact("digest", found.Digest, 10)
    if more.manifest_digest != found.Digest:
        page.fact("manifest", f"{more.manifest_digest} of the index, for {more.platform}", 10)
    page.fact("type", more.media_type, 10)
    page.fact("platform", more.platform, 10)
    page.fact("created", more.created or "not stated", 10)
    size = "size unknown" if more.size is None else f"{megabytes(more.size)} compressed"
    page.fact("size", f"{size}, {_counted(len(found.Layers), 'layer')}", 10)
    if more.base_name or more.base_digest:
        page.fact("base", f"{more.base_name or 'unnamed'} {more.base_digest or ''} (only claimed)", 10)
    if more.user:
        page.fact("user", more.user, 10)
    if command := " ".join((*more.entrypoint, *more.cmd)):
        page.fact("runs", command, 10)
    _platforms(page, more.platforms, more.manifest_digest)
    _referrers(page, more)
    _layers(page, found)
    _pairs(page, "Labels", found.Labels or {})
    _pairs(page, "Annotations", {**more.index_annotations, **more.annotations})
    _pairs(page, "Environment", dict(entry.partition("=")[::2] for entry in found.Env or ()))
    if found.RepoTags:
        page.title("Tags of the repository", str(len(found.RepoTags)))
        shown = ", ".join(found.RepoTags[:TAGS_SHOWN])
        page.paragraph(shown + (", … (affineur tags lists all)" if len(found.RepoTags) > TAGS_SHOWN else ""))
    page.title("Asked", ", ".join(more.hosts) or "nobody: the image is on this machine")
    if more.rate_limit is not None:
        page.fact("budget", f"{more.rate_limit} requests are left", 10)
    for remark in more.remarks:
        page.fact("remark", remark, 10, "warn")
    for warning in more.warnings:
        page.fact("warning", warning, 10, "warn")
    for gap in more.unassessed:
        page.fact("not told", f"{gap.what}: {gap.why}", 10, "warn")
    return page.text()


def megabytes(size: int) -> str:
    """Return bytes as people read them: `26.6 MB`, `1.0 kB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return _counted(size, "byte")


def _platforms(page: Page, platforms: tuple[PlatformFacts, ...], chosen: str) -> None:
    if not platforms:
        return
    page.title("Platforms of the index", str(len(platforms)))
    for facts in platforms:
        mark = "→" if facts.digest == chosen else " "
        size = "size unknown" if facts.size is None else megabytes(facts.size)
        attested = f", {_counted(len(facts.attestations), 'attestation')}" if facts.attestations else ""
        page.paragraph(f"{mark} {facts.platform}: {size}, created {facts.created or 'not stated'}{attested}", 2)
        if facts.platform != facts.claimed:
            page.paragraph(f"the index claims {facts.claimed}", 4, "warn")
        page.paragraph(facts.digest, 4, "quiet")


def _referrers(page: Page, more: More) -> None:
    if not more.referrers and not more.referrers_looked_for:
        return
    untold = any(gap.what.startswith(("what refers", "whether", "referrers")) for gap in more.unassessed)
    nothing = "could not be told" if untold else "nothing was found"
    page.title("Refer to it", f"{len(more.referrers)} (listed, not verified)" if more.referrers else nothing)
    for facts in more.referrers[:REFERRERS_SHOWN]:
        size = f", {megabytes(facts.size)}" if facts.size is not None else ""
        kind = f" {facts.artifact_type}" if facts.artifact_type else ""
        platform = f", of {more.platform} alone" if facts.subject == more.manifest_digest and more.platforms else ""
        page.paragraph(f"{facts.kind or 'an artifact'}:{kind}{size}{platform}, by the {facts.found_by}", 2)
        page.paragraph(facts.digest or f"tag {facts.tag}", 4, "quiet")
    if len(more.referrers) > REFERRERS_SHOWN:
        page.paragraph(f"… and {len(more.referrers) - REFERRERS_SHOWN} more (--json shows all)", 2, "quiet")


def _layers(page: Page, found: Inspection) -> None:
    page.title("Layers", "base first")
    for layer in found.LayersData:
        kind = layer.MIMEType.rpartition(".")[2] if layer.MIMEType.startswith("application/vnd.") else layer.MIMEType
        size = f" {megabytes(layer.Size)}" if layer.Size >= 0 else ""
        page.paragraph(f"{layer.Digest}{size} {kind}".rstrip(), 2)


def _pairs(page: Page, title: str, pairs: dict[str, str]) -> None:
    if not pairs:
        return
    page.title(title, str(len(pairs)))
    for name in sorted(pairs)[:LABELS_SHOWN]:
        page.paragraph(f"{name} = {pairs[name]}", 2)
    if len(pairs) > LABELS_SHOWN:
        page.paragraph(f"… and {len(pairs) - LABELS_SHOWN} more (--json shows all)", 2, "quiet")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
