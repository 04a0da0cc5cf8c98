"""Which notices of rpm distributions an image lacks: by binary packages, as dnf looks at them. Pure.

A notice names builds: name, version and architecture. dnf takes the newest installed package of each name and
architecture, and lists every notice with a build of the same name and architecture and a higher version; builds of a
module count only where its stream, in that context, is active. So a notice stands in the list also where no repository
offers its builds. Sources: dnf(8) § updateinfo; where it is silent, what dnf 4.14 prints
(tests/system/test_dnf_updateinfo.py).

What counts for a letter is a little more than dnf lists, never less: a module's notice also counts where the installed
package itself says that it is of that stream; and a package whose architecture changes to or from `noarch` is the same
package. It is less in one thing: notices that are not final. In both zypper does the same, of security patches
(tests/system/test_zypper_patches.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from affineur.errata.erratum import Build, Erratum, Finding
from affineur.errata.notices import Notice
from affineur.errata.severity import rank
from affineur.packages.inventory import Package
from affineur.packages.versions.rpm import key
from affineur.repositories.rpmmd.modules import ModuleStream
from affineur.repositories.update import Update

__all__ = [
    "active_contexts",
    "errata_of_updates",
    "joined",
    "listed",
    "match_builds",
]

NOARCH = "noarch"
_UNDATED = datetime.fromtimestamp(0, UTC)  # what dnf takes a missing date for


def active_contexts(streams: Iterable[ModuleStream], active: Mapping[str, str]) -> frozenset[str]:
    """The `name:stream:context` of all builds of the active streams.

    Args:
        streams: of the modules.yaml of all enabled repositories.
        active: module → its active stream.
    """
    return frozenset(
        f"{stream.name}:{stream.stream}:{stream.context}"
        for stream in streams
        if active.get(stream.name) == stream.stream
    )


def joined(errata: Iterable[Erratum]) -> list[Erratum]:
    """Make one of the notices that several repositories (or one) publish under the same id.

    A vendor's repositories each list a notice with the builds that they have. The worst severity counts and the first
    issue; what one of them calls final is final.
    """
    by_id: dict[str, list[Erratum]] = {}
    for erratum in errata:
        by_id.setdefault(erratum.id, []).append(erratum)
    return [same[0] if len(same) == 1 else _joined(same) for same in by_id.values()]


def match_builds(
    installed: Iterable[Package], errata: Iterable[Erratum], active: Collection[str] = frozenset()
) -> list[Finding]:
    """Find every final notice that the packages lack, in the order of the notices; one finding for each source package.

    Args:
        installed: all packages of the rpm database.
        errata: of all repositories that speak for the distribution.
        active: module streams in use, `name:stream` or `name:stream:context`.
    """
    newest = _newest(installed)
    findings: list[Finding] = []
    for erratum in joined(errata):
        if erratum.status:
            continue
        lacking: dict[str, list[tuple[Package, Build]]] = defaultdict(list)
        for build in erratum.builds:
            for package in _updated_by(build, newest):
                own = package.module.rsplit(":", 2)[0] if package.module else ""
                if key(package.version) < key(build.version) and _applies(build, active, own):
                    lacking[package.source].append((package, build))
        findings.extend(_finding(erratum, source, pairs) for source, pairs in lacking.items())
    return findings


def listed(
    installed: Iterable[Package], errata: Iterable[Erratum], active: Collection[str] = frozenset()
) -> list[Notice]:
    """Give the lines of `dnf updateinfo list`, in its order.

    dnf sorts by the text of the package, then by date; of the same package and date it has no order, here it is that of
    the notices. (dnf knows two forms of dates; what is written in another stands first in its list.)

    Args:
        installed: less those that an exclude of [main] means: dnf forgets them.
        errata: of the image's own repositories.
        active: module streams in use, `name:stream` or `name:stream:context`.
    """
    newest = _newest(installed)
    lines: dict[tuple[str, str], Notice] = {}
    for erratum in joined(errata):
        for build in erratum.builds:
            for package in newest.same(build):
                if key(package.version) < key(build.version) and _applies(build, active):
                    line = Notice.of(erratum, build.name, package.architecture, build.version)
                    lines.setdefault((erratum.id, line.nevra), line)
    return sorted(lines.values(), key=lambda line: (line.nevra, _changed(line)))


def errata_of_updates(
    updates: Iterable[Update],
    errata: Iterable[Erratum],
    active: Collection[str] = frozenset(),
    *,
    complete: bool = False,
) -> list[Update]:
    """Fill in the errata of rpm's updates: the final notices with a build in (installed, available], as they are given.

    `security` is True where one of them is for security. Otherwise it stays as it was, for an update that no notice
    speaks of is no proof of anything; it becomes False only where the notices are complete.

    Args:
        active: as for `listed`; a build of exactly the available version counts whatever its module.
        complete: the notices of all the repositories that offer the updates keep up (coverage.gaps).
    """
    by_name: dict[str, list[tuple[Erratum, Build]]] = defaultdict(list)
    updates = list(updates)
    names = {update.name for update in updates}
    for erratum in joined(errata):
        if not erratum.status:
            for build in erratum.builds:
                if build.name in names:
                    by_name[build.name].append((erratum, build))
    found = [_with_errata(update, by_name[update.name], active) for update in updates]
    if not complete:
        return found
    return [each if each.security else msgspec.structs.replace(each, security=False) for each in found]


def _with_errata(update: Update, candidates: Iterable[tuple[Erratum, Build]], active: Collection[str]) -> Update:
    lower, upper = key(update.installed), key(update.available)
    architectures = {update.architecture, update.available_architecture, NOARCH, ""}
    brought: dict[str, Erratum] = {}
    for erratum, build in candidates:
        version = key(build.version)
        inside = build.architecture in architectures and lower < version <= upper
        if inside and (version == upper or _applies(build, active)):
            brought.setdefault(erratum.id, erratum)
    security = True if any(erratum.kind == "security" for erratum in brought.values()) else update.security
    return msgspec.structs.replace(update, errata=tuple(brought), security=security)


class _Newest(NamedTuple):
    """The newest installed package of each name and architecture, and all of those by name."""

    exact: dict[tuple[str, str], Package]
    named: dict[str, list[Package]]

    def same(self, build: Build) -> Sequence[Package]:
        """Those of the same name and architecture."""
        if not build.architecture:
            return self.named.get(build.name, ())
        found = self.exact.get((build.name, build.architecture))
        return (found,) if found is not None else ()


def _newest(installed: Iterable[Package]) -> _Newest:
    exact: dict[tuple[str, str], Package] = {}
    for package in installed:
        place = package.name, package.architecture
        held = exact.get(place)
        if held is None or key(held.version) < key(package.version):
            exact[place] = package
    named: dict[str, list[Package]] = defaultdict(list)
    for package in exact.values():
        named[package.name].append(package)
    return _Newest(exact, named)


def _updated_by(build: Build, newest: _Newest) -> Iterator[Package]:
    """The installed packages that a build replaces."""
    for package in newest.named.get(build.name, ()):
        if build.architecture in ("", NOARCH, package.architecture) or package.architecture == NOARCH:
            yield package


def _applies(build: Build, active: Collection[str], own: str = "") -> bool:
    """Whether a build is for this system: of no module, or of a stream that is active, or `own`, the package's."""
    if not build.module:
        return True
    name, stream, _, context = (*build.module.split(":"), "", "", "", "")[:4]
    place = f"{name}:{stream}"
    if not context and any(each.startswith(f"{place}:") for each in active):
        return True
    return place in active or place == own or f"{place}:{context}" in active


def _finding(erratum: Erratum, source: str, pairs: Sequence[tuple[Package, Build]]) -> Finding:
    package, _ = min(pairs, key=lambda pair: key(pair[0].version))
    fixed = min((build.version for other, build in pairs if other is package), key=key)
    return Finding(erratum, tuple(sorted({package.name for package, _ in pairs})), source, package.version, fixed)


def _joined(same: Sequence[Erratum]) -> Erratum:
    worst = max(same, key=lambda erratum: rank(erratum.severity))
    dated = [erratum.issued for erratum in same if erratum.issued]
    bounds = [erratum.issued_at_latest for erratum in same if erratum.issued_at_latest]
    first = min(dated, default=None)
    kinds = [erratum.kind for erratum in same]
    return msgspec.structs.replace(
        worst,
        kind="security" if "security" in kinds else worst.kind,
        issued=first,
        issued_at_latest=None if first else min(bounds, default=None),
        cves=tuple(dict.fromkeys(cve for erratum in same for cve in erratum.cves)),
        cve_severities=worst.cve_severities if all(erratum.cves == worst.cves for erratum in same) else (),
        cve_scores=(),
        builds=tuple(dict.fromkeys(build for erratum in same for build in erratum.builds)),
        updated=max((erratum.updated for erratum in same if erratum.updated), default=None),
        status="" if any(not erratum.status for erratum in same) else worst.status,
    )


def _changed(notice: Notice) -> datetime:
    dates = [date for date in (notice.issued, notice.updated) if date]
    return max(dates, default=_UNDATED)
