"""The pages of `affineur updates`, `cves` and `packages` for a terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from affineur.assessment.model import Assessment
from affineur.errata.erratum import CVE, Severity
from affineur.errata.notices import Notice, list_lines, summary_lines
from affineur.errata.unfixed.model import WHAT, Status, UnfixedCVE
from affineur.evidence import Unassessed
from affineur.report import reading
from affineur.report.documents import CVEs, Packages, Updates
from affineur.report.escape import visible
from affineur.report.layout import Page
from affineur.repositories.update import Obsoleting, Update

__all__ = ["render_cves", "render_packages", "render_updates"]

SEVERITY_STYLE = {Severity.CRITICAL: "bad", Severity.IMPORTANT: "bad", Severity.MODERATE: "warn", Severity.LOW: "quiet"}


def render_updates(
    document: Updates | Assessment,
    width: int = 80,
    colour: bool = False,
    *,
    listed: bool = False,
    errata: bool = False,
    security_only: bool = False,
) -> str:
    """Return what the image would be offered, ending in counts as `dnf updateinfo summary` prints them.

    Args:
        document: made by `documents.updates_of`, or the assessment itself.
        listed: instead one line for each update, as `apt list --upgradable` or `dnf check-update` prints it.
        errata: instead one line for each notice and package, as `dnf updateinfo list` prints it.
        security_only: leave out updates that are known to be none for security; what could not be told stays.
    """
    updates = [update for update in document.updates if not (security_only and update.security is False)]
    notices = [notice for notice in document.notices if not (security_only and notice.kind != "security")]
    if listed:
        obsoleting = () if security_only else document.obsoleting
        return "".join(line + "\n" for line in (*_update_lines(updates), *_obsoleting_lines(obsoleting)))
    if errata:
        return "".join(visible(line) + "\n" for line in list_lines(notices))
    page = Page(width, colour)
    page.paragraph(f"{document.image.reference} ({document.image.platform})", 0, "strong")
    said = _counted(updates) if updates else reading.no_updates_words(document.suites, document.unassessed)
    page.paragraph(said if updates else f"Updates: {said}", 0)
    for deviation in document.deviations:
        page.paragraph(f"{deviation.kind}: {deviation.what}", 0, "warn")
    _untold(page, document.unassessed)
    page.blank()
    _summary(page, notices)
    return page.text()


def render_cves(document: CVEs | Assessment, width: int = 80, colour: bool = False, *, only: str = "") -> str:
    """Return each CVE that an update or an erratum fixes, worst first, then oldest first; and then, apart from them,
    those that nothing fixes, with the vendor's reason. Two lines each.

    Args:
        only: `fixed` or `unfixed` for one of the two.
    """
    page = Page(width, colour)
    page.paragraph(f"{document.image.reference} ({document.image.platform})", 0, "strong")
    page.paragraph(document.distribution.statement, 0)
    page.blank()
    if only != "unfixed":
        for cve in sorted(document.cves, key=_worst):
            issued = str(reading.day_of(cve.issued)) if cve.issued else "no date"
            _flaw(page, cve.id, cve.severity, f"{issued:<10}  {cve.erratum}")
            scored = f" (CVSS {cve.score:.1f})" if cve.score is not None else ""
            page.paragraph(f"{cve.package} {cve.installed} → {cve.fixed}{scored}", 4)
        page.blank()
        page.paragraph(f"CVEs that an update or an erratum fixes: {len({cve.id for cve in document.cves})}", 0)
    if only != "fixed":
        page.title("Known flaws without a fix")
        for each in document.unfixed or ():
            _flaw(page, each.id, each.severity, each.status.value)
            page.paragraph(f"{each.package} {each.installed}" + (f": “{each.reason}”" if each.reason else ""), 4)
        _unfixed_counted(page, document)
    _untold(page, tuple(item for item in document.unassessed if WHAT not in item.what))
    return page.text()


def render_packages(document: Packages, width: int = 80, colour: bool = False) -> str:
    """Return a line for each installed package, in the order of its database: name, version, architecture, source."""
    page = Page(width, colour)
    page.paragraph(f"{document.image.reference} ({document.image.platform})", 0, "strong")
    page.paragraph(document.distribution.pretty_name or "an unknown distribution", 0)
    page.blank()
    rows = []
    for package in document.packages:
        same = (package.source, package.source_version) == (package.name, package.version)
        version = "" if package.source_version == package.version else f" {package.source_version}"
        rows.append(
            (package.name, package.version, package.architecture, "" if same else f"of {package.source}{version}")
        )
    page.table(rows, ("strong",))
    page.blank()
    page.paragraph(f"Packages: {len(document.packages)}", 0)
    _untold(page, document.unassessed)
    return page.text()


def _apt_line(update: Update) -> str:
    # apt-pkg: private-output.cc, ListSingleVersion(), with --upgradable
    return visible(
        f"{update.name}/{','.join(update.suites)} {update.available} {update.architecture}"
        f" [upgradable from: {update.installed}]"
    )


def _dnf_line(update: Update, columns: tuple[int, int]) -> str:
    # dnf check-update: name.arch, version-release and repository, in columns
    name = f"{update.name}.{update.architecture}"
    return visible(f"{name:<{columns[0]}} {update.available:<{columns[1]}} {','.join(update.suites)}")


def _update_lines(updates: list[Update]) -> Iterator[str]:
    names = [len(f"{update.name}.{update.architecture}") for update in updates]
    columns = (max(names, default=0) + 1, max((len(update.available) for update in updates), default=0) + 1)
    for update in updates:
        yield _apt_line(update) if update.manager == "dpkg" else _dnf_line(update, columns)


def _obsoleting_lines(pairs: Sequence[Obsoleting]) -> Iterator[str]:
    """As `dnf check-update` has them: what is on offer, and below it, further in, what it would replace."""
    if not pairs:
        return
    names = [f"{pair.name}.{pair.architecture}" for pair in pairs]
    old = [f"    {pair.old_name}.{pair.old_architecture}" for pair in pairs]
    first = max(map(len, (*names, *old))) + 1
    second = max(len(version) for pair in pairs for version in (pair.version, pair.old_version)) + 1
    yield "Obsoleting Packages"
    for pair, name, replaced in zip(pairs, names, old, strict=True):
        yield visible(f"{name:<{first}} {pair.version:<{second}} {pair.repository}")
        yield visible(f"{replaced:<{first}} {pair.old_version:<{second}} @System")


def _summary(page: Page, notices: list[Notice]) -> None:
    for line in summary_lines(notices) or ("Updates Information Summary: available", "    none"):
        page.raw(visible(line))


def _counted(updates: list[Update]) -> str:
    security = sum(update.security is True for update in updates)
    untold = sum(update.security is None for update in updates)
    said = [f"Updates: {len(updates)}", f"{security} for security", f"{len(updates) - security - untold} other"]
    said += [f"{untold} could not be told"] if untold else []
    said += [f"{sum(u.held for u in updates)} held"] if any(u.held for u in updates) else []
    unnoticed = sum(all(each.startswith("changelog:") for each in update.errata) for update in updates)
    said += [f"{unnoticed} that no notice speaks of"] if unnoticed else []
    phased = sum(update.phased is not None for update in updates)
    said += [f"{phased} phased"] if phased else []
    return ", ".join(said)


def _flaw(page: Page, identifier: str, severity: Severity | None, rest: str) -> None:
    style = SEVERITY_STYLE[severity] if severity else "warn"
    rating = page.paint(f"{severity.value if severity else 'unrated':<9}", style)
    page.raw(f"{page.paint(f'{visible(identifier):<16}', 'strong')}  {rating}  {visible(rest)}")


def _unfixed_counted(page: Page, document: CVEs | Assessment) -> None:
    """How many of each status, who says so, and what is not told of them."""
    if document.unfixed is not None:
        found: tuple[UnfixedCVE, ...] = document.unfixed
        statuses = Counter(status for _, status in {(each.id, each.status) for each in found})
        counted = ", ".join(f"{statuses[status]} {status.value}" for status in Status if statuses[status])
        if found:
            page.blank()
        page.paragraph(f"CVEs without a fix: {len({each.id for each in found})}{counted and f' ({counted})'}", 0)
        for source in dict.fromkeys(each.source for each in found):
            page.paragraph(f"as {source} has it; they count for no grade", 2, "quiet")
    for item in document.unassessed:
        if WHAT in item.what:
            page.paragraph(item.why if item.what == WHAT else f"{item.what}: {item.why}", 2, "warn")


def _worst(cve: CVE) -> tuple[int, str, str, str]:
    when = str(reading.day_of(cve.issued)) if cve.issued else "9"
    return reading.RANK[cve.severity], when, cve.id, cve.package


def _untold(page: Page, unassessed: tuple[Unassessed, ...]) -> None:
    if unassessed:
        page.title("What could not be told")
    for item in reading.untold(unassessed):
        page.paragraph(f"{item.what}: {item.why}", style="warn")
