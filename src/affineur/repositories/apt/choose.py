"""Which updates apt would list for what is installed: `apt list --upgradable`, without running it.

apt merges all indexes and dpkg's status into one list of versions per package, gives each version a priority, and takes
as candidate the first of the highest priority; an update is a package whose candidate stands above what is installed.
Source: apt_preferences(5); where it is silent, what apt prints (tests/system/test_apt_choice.py).
"""

from collections.abc import Iterable, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.packages.versions import compare, key
from affineur.repositories.apt.model import (
    NEVER,
    AptConfiguration,
    Offer,
    OfferedSuite,
    PinRule,
    Release,
    SourceEntry,
    Suite,
)
from affineur.repositories.apt.policy import Index, Policy, site
from affineur.repositories.update import Update

__all__ = ["Choice", "Hidden", "choose", "is_security_suite", "upgradable", "usable"]

SORTED_BY_ARCHITECTURE_SINCE = "1.7~"
PINS_BY_VERSION_SINCE = "1.1~"
UNNAMED_SUITE = "unknown"  # apt's word for a Release without a Suite


class Hidden(msgspec.Struct, frozen=True):
    """A package of which a usable suite offers a higher version than apt would take.

    Attributes:
        candidate: what apt would take, often the installed version; None where pins forbid all.
        available, suites: the highest version on offer, and who offers it.
        security: a security suite offers a version above the candidate; None: could not be told.
        because: one sentence: which pin (path:line), NotAutomatic, Default-Release or phasing.
    """

    name: str
    architecture: str
    installed: str
    candidate: str | None
    available: str
    suites: tuple[str, ...]
    security: bool | None
    because: str


class Choice(msgspec.Struct, frozen=True):
    """What apt would say.

    Attributes:
        updates: in apt's order.
        hidden: higher versions that it would not take, in the same order.
        unanswerable: why apt would say nothing at all (or something that cannot be foretold); updates and hidden are
            then empty, which is not a "none".
        problems: pins whose expression could not be evaluated; the answer then stands for the other pins only.
    """

    updates: tuple[Update, ...]
    hidden: tuple[Hidden, ...]
    unanswerable: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def upgradable(
    installed: Sequence[Package], suites: Sequence[OfferedSuite], configuration: AptConfiguration
) -> list[Update]:
    """The updates alone, in apt's order; empty also where nothing could be told, so prefer `choose`."""
    return list(choose(installed, suites, configuration).updates)


def choose(installed: Sequence[Package], suites: Sequence[OfferedSuite], configuration: AptConfiguration) -> Choice:
    """Foretell `apt list --upgradable` in the image's file system, in the order of the apt that is installed there.

    Pins follow the rules of apt 1.1 and later; where the image's apt is older and has pins, `problems` says so.

    Args:
        installed: all packages of dpkg's status; those of which only configuration files are left do not count.
        suites: in the order of `configuration.sources`. Those that are not `usable` offer nothing.
        configuration: of the same image.
    """
    used = [offered for offered in suites if usable(offered.suite)]
    policy = Policy(configuration.pins, configuration.default_release)
    unanswerable = list(configuration.unanswerable)
    wanted = configuration.default_release
    if wanted is not None and not policy.available(wanted, _indexed(used)):
        unanswerable.append(f"APT::Default-Release is {wanted!r}, which no source offers")
    if unanswerable:
        return Choice((), (), tuple(unanswerable), tuple(policy.problems))
    native = configuration.architectures[0]
    names = {(package.name, _slot(package.architecture, native)) for package in installed}
    offers = _by_package(used, names, native, policy)
    own = _File(Index(None, "", "now", ""), "now", None, 0, None)
    own_priority, own_pin = policy.index_priority(own.index)
    own = msgspec.structs.replace(own, priority=own_priority, pin=own_pin)
    engine = _Engine(policy, configuration, own)
    updates: list[Update] = []
    hidden: list[Hidden] = []
    present = [package for package in installed if _is_installed(package)]
    own_apt = next((package.version for package in present if package.name == "apt"), None)
    for package in _in_order(present, native, own_apt):
        update, lost = engine.judge(package, offers.get((package.name, _slot(package.architecture, native)), ()))
        updates.extend(update)
        hidden.extend(lost)
    if own_apt is not None and compare(own_apt, PINS_BY_VERSION_SINCE) < 0 and configuration.pins:
        policy.problems.append(f"pins: foretold by the rules of apt {PINS_BY_VERSION_SINCE}; the image has {own_apt}")
    return Choice(tuple(updates), tuple(hidden), (), tuple(dict.fromkeys(policy.problems)))


def _indexed(suites: Iterable[OfferedSuite]) -> list[Release]:
    return [_release(offered.suite) for offered in suites if offered.indexes != ()]


def usable(suite: Suite) -> bool:
    """Whether apt would keep this suite's indexes: a good signature, or an entry that asks for none.

    `trusted=yes` takes everything; `allow-insecure=yes` takes what is not signed at all, but no bad signature.
    """
    if suite.release is None:
        return False
    if suite.verified or suite.entry.trusted is True:
        return True
    return suite.entry.allow_insecure is True and not suite.signers and not suite.weak_signers and not suite.problems


def is_security_suite(release: Release) -> bool | None:
    """Whether a suite carries security updates, by its Release fields alone; None for an origin that is not known.

    Debian labels its own `Debian-Security`; Ubuntu names its archives `…-security`, and its paid ones UbuntuESM….
    Others are known only if they use one of these words.
    """
    origin, label = release.origin.lower(), release.label.lower()
    suites = [text.lower() for text in (release.suite, release.codename) if text]
    if origin.startswith("ubuntuesm") or label == "debian-security":
        return True
    if any(text.endswith(("-security", "/updates")) for text in suites):
        return True
    return False if origin in ("debian", "ubuntu", "debian backports") else None


def _release(suite: Suite) -> Release:
    if suite.release is None:
        raise ValueError("a suite without a Release is not usable")
    return suite.release


def _is_installed(package: Package) -> bool:
    return package.status.split(" ")[-1] not in ("not-installed", "config-files")


def _in_order(packages: Iterable[Package], native: str, own_apt: str | None) -> list[Package]:
    """apt 1.7 and later sort by `name:architecture`, so that apt-utils stands before apt; earlier ones by name."""
    by_name = own_apt is not None and compare(own_apt, SORTED_BY_ARCHITECTURE_SINCE) < 0

    def place(package: Package) -> tuple[str, str]:
        slot = _slot(package.architecture, native)
        return (package.name, slot) if by_name else (f"{package.name}:{slot}", "")

    return sorted(packages, key=place)


def _slot(architecture: str, native: str) -> str:
    """apt files packages of architecture `all` under the native one."""
    return native if architecture == "all" else architecture


class _File(msgspec.Struct, frozen=True, eq=False):
    """One Packages file, or dpkg's status: entry is None."""

    index: Index
    suite: str
    entry: SourceEntry | None
    priority: int
    pin: PinRule | None


class _Version(msgspec.Struct):
    """One version of a package, with all files that offer it, in order."""

    version: str
    offer: Offer | None
    architecture: str
    multi_arch: str
    relations: int | None
    source: str
    source_version: str
    phased: int | None
    size: int
    files: list[_File]
    first_offer: Offer | None


_Offers = Sequence[tuple[Offer, _File]]


def _by_package(
    suites: Iterable[OfferedSuite], names: set[tuple[str, str]], native: str, policy: Policy
) -> dict[tuple[str, str], list[tuple[Offer, _File]]]:
    """All offers for the installed packages, in the order in which apt reads its files.

    Entries of one URI and suite are one source to apt, at the place of the first of them; within a source the order is
    that of the entries' components, then of the architectures. A file that two entries name is read once.
    """
    sources: dict[tuple[str, str], dict[tuple[str, str], tuple[_File, Sequence[Offer]]]] = {}
    for offered in suites:
        entry = offered.suite.entry
        files = sources.setdefault((entry.uri, entry.suite), {})
        split: dict[tuple[str, str], list[Offer]] = {}
        for offer in offered.offers:
            split.setdefault((offer.component, offer.index_architecture), []).append(offer)
        for place in sorted(split, key=lambda place: _rank(place, entry)):
            if place not in files:
                files[place] = (_file(offered.suite, place, policy), split[place])
    found: dict[tuple[str, str], list[tuple[Offer, _File]]] = {}
    for files in sources.values():
        for file, offers in files.values():
            for offer in offers:
                package = (offer.name, _slot(offer.architecture, native))
                if package in names:
                    found.setdefault(package, []).append((offer, file))
    return found


def _rank(place: tuple[str, str], entry: SourceEntry) -> int:
    return entry.components.index(place[0]) if place[0] in entry.components else len(entry.components)


def _file(suite: Suite, place: tuple[str, str], policy: Policy) -> _File:
    release = _release(suite)
    index = Index(release, site(suite.entry.uri), *place)
    priority, pin = policy.index_priority(index)
    return _File(index, release.suite or UNNAMED_SUITE, suite.entry, priority, pin)


class _Engine:
    def __init__(self, policy: Policy, configuration: AptConfiguration, own: _File) -> None:
        self._policy, self._configuration, self._own = policy, configuration, own
        self._native = configuration.architectures[0]

    def judge(self, package: Package, offers: _Offers) -> tuple[list[Update], list[Hidden]]:
        versions, current = self._versions(package, offers)
        candidate = self._candidate(versions, current, package)
        place = versions.index(current)
        updates: list[Update] = []
        if candidate is not None and versions.index(candidate) < place:
            updates.append(self._update(package, current, candidate, offers))
        top = versions[0]
        reached = current if candidate is None else candidate
        if compare(top.version, reached.version) <= 0:
            return updates, []
        return updates, [self._hidden(package, candidate, reached, top, offers)]

    def _versions(self, package: Package, offers: _Offers) -> tuple[list[_Version], _Version]:
        """Highest first; the second value is the installed one."""
        versions: list[_Version] = []
        for offer, file in offers:
            _insert(versions, _offered(offer, file))
        own = _Version(
            version=package.version,
            offer=None,
            architecture=package.architecture,
            multi_arch=package.multi_arch,
            relations=package.relations,
            source=package.source,
            source_version=package.source_version,
            phased=None,
            size=0,
            files=[self._own],
            first_offer=None,
        )
        return versions, _insert(versions, own)

    def _candidate(self, versions: Sequence[_Version], current: _Version, package: Package) -> _Version | None:
        best: _Version | None = None
        highest = 0
        for version in versions:
            priority, _ = self._priority(version, package)
            if priority <= highest:
                continue
            if priority < 1000 and compare(version.version, current.version) < 0:
                continue
            best, highest = version, priority
        return best

    def _priority(self, version: _Version, package: Package) -> tuple[int, PinRule | None]:
        ceiling = self._ceiling(version)
        pin = self._pin(version, package)
        if pin is not None and any(file.priority != NEVER for file in version.files):
            return min(pin.priority, ceiling), pin
        best = max(version.files, key=lambda file: file.priority)
        return min(best.priority, ceiling), best.pin

    def _pin(self, version: _Version, package: Package) -> PinRule | None:
        slot = _slot(package.architecture, self._native)
        named = self._policy.specific(package.name, slot, self._native)
        named += self._policy.of_source(version.source, slot, self._native)
        named.sort(key=self._policy.order)
        indexes = [file.index for file in version.files]
        for rule in named:
            if self._policy.version_matches(rule, version.version, indexes):
                return rule
        return None

    def _ceiling(self, version: _Version) -> int:
        """Phasing decides what is listed only with Phase-Policy and Never-Include; a chroot gets all others at once."""
        phased = version.phased is not None and version.phased != 100
        configuration = self._configuration
        return 1 if phased and configuration.phase_policy and configuration.phasing == "never" else 1 << 15

    def _update(self, package: Package, current: _Version, candidate: _Version, offers: _Offers) -> Update:
        offer = candidate.first_offer
        first = candidate.files[0]
        return Update(
            name=package.name,
            architecture=package.architecture,
            installed=current.version,
            available=candidate.version,
            suites=tuple(file.suite for file in candidate.files),
            security=_security(offers, current.version),
            source=candidate.source,
            source_version=candidate.source_version,
            installed_source_version=package.source_version,
            filename=offer.filename if offer else "",
            size=offer.size if offer else 0,
            sha256=offer.sha256 if offer else "",
            base_uri=first.entry.public_uri if first.entry else "",
            held=package.status.startswith("hold "),
            phased=candidate.phased if candidate.phased != 100 else None,
        )

    def _hidden(
        self, package: Package, candidate: _Version | None, reached: _Version, top: _Version, offers: _Offers
    ) -> Hidden:
        return Hidden(
            name=package.name,
            architecture=package.architecture,
            installed=package.version,
            candidate=candidate.version if candidate else None,
            available=top.version,
            suites=tuple(file.suite for file in top.files),
            security=_security(offers, reached.version),
            because=self._reason(top, reached, package),
        )

    def _reason(self, top: _Version, reached: _Version, package: Package) -> str:
        if self._ceiling(top) == 1:
            return f"phased to {top.phased} %, and phased updates are never taken"
        priority, pin = self._priority(top, package)
        if pin is not None and pin.path:
            return f"{pin.path}:{pin.line} pins it to {'never' if priority == NEVER else priority}"
        _, over = self._priority(reached, package)
        if over is not None:
            place = f"{over.path}:{over.line}" if over.path else "APT::Default-Release"
            return f"{place} prefers {reached.version}"
        return "its suite is not automatic (NotAutomatic in its Release)"


def _offered(offer: Offer, file: _File) -> _Version:
    return _Version(
        version=offer.version,
        offer=offer,
        architecture=offer.architecture,
        multi_arch=offer.multi_arch,
        relations=offer.relations,
        source=offer.source,
        source_version=offer.source_version,
        phased=offer.phased,
        size=offer.size,
        files=[file],
        first_offer=offer,
    )


def _insert(versions: list[_Version], new: _Version) -> _Version:
    """Merge with an equal version of the same build, or stand behind those that are not lower."""
    rank = key(new.version)
    place = len(versions)
    for at, other in enumerate(versions):
        own = key(other.version)
        if rank > own:
            place = at
            break
        if rank == own and _same_build(other, new):
            other.files.extend(new.files)
            if new.phased is not None:
                other.phased = new.phased
            return other
    versions.insert(place, new)
    return new


def _same_build(first: _Version, second: _Version) -> bool:
    if first.relations is None or second.relations is None:
        return True
    if first.relations != second.relations or (first.size and second.size and first.size != second.size):
        return False
    return _multi_arch(first) == _multi_arch(second)


def _multi_arch(version: _Version) -> tuple[str, bool]:
    """What apt keeps of the field: nothing of unknown words, nor of `same` where the package fits all anyway."""
    of_all = version.architecture == "all"
    known = ("foreign", "allowed") if of_all else ("same", "foreign", "allowed")
    return version.multi_arch if version.multi_arch in known else "", of_all


def _security(offers: _Offers, above: str) -> bool | None:
    """Whether a security suite offers a version above the given one; None if only unknown suites might be one."""
    answers = {
        is_security_suite(file.index.release)
        for offer, file in offers
        if file.index.release is not None and compare(offer.version, above) > 0
    }
    return True if True in answers else None if None in answers else False
