"""Which updates apt would list for what is installed: `apt list --upgradable`, without running it.

apt merges all indexes and dpkg's status into one list of versions per package, gives each version a priority, and takes
as candidate the first of the highest priority; an update is a package whose candidate stands above what is installed.
Source: apt_preferences(5); where it is silent, what apt prints (tests/system/test_apt_choice.py).
"""

from collections.abc import Iterable, Sequence

import msgspec

from affineur.errors import LimitExceeded
from affineur.packages.inventory import Package
from affineur.packages.versions.deb import compare
from affineur.repositories.apt.merge import File, Offers, Version, merged, offers_by_package, release_of, slot
from affineur.repositories.apt.model import NEVER, AptConfiguration, OfferedSuite, PinRule, Release, Suite
from affineur.repositories.apt.policy import Index, Policy
from affineur.repositories.apt.security import is_security_suite, offered_by_security
from affineur.repositories.update import Update

__all__ = ["Choice", "Hidden", "choose", "is_security_suite", "upgradable", "usable"]

SORTED_BY_ARCHITECTURE_SINCE = "1.7~"
PINS_BY_VERSION_SINCE = "1.1~"


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
    policy = Policy(configuration.pins, configuration.default_release, configuration.architectures[0])
    try:
        return _chosen(installed, [each for each in suites if usable(each.suite)], configuration, policy)
    except LimitExceeded as error:
        return Choice((), (), (*configuration.unanswerable, str(error)), tuple(policy.problems))


def _chosen(
    installed: Sequence[Package], used: Sequence[OfferedSuite], configuration: AptConfiguration, policy: Policy
) -> Choice:
    unanswerable = list(configuration.unanswerable)
    wanted = configuration.default_release
    if wanted is not None and not policy.available(wanted, _indexed(used)):
        unanswerable.append(f"APT::Default-Release is {wanted!r}, which no source offers")
    if unanswerable:
        return Choice((), (), tuple(unanswerable), tuple(policy.problems))
    native = configuration.architectures[0]
    present = [package for package in installed if _is_installed(package)]
    offers = offers_by_package(used, {(each.name, slot(each.architecture, native)) for each in present}, native, policy)
    engine = _Engine(policy, configuration)
    updates: list[Update] = []
    hidden: list[Hidden] = []
    own_apt = next((package.version for package in present if package.name == "apt"), None)
    for package in _in_order(present, native, own_apt):
        update, lost = engine.judge(package, offers.get((package.name, slot(package.architecture, native)), ()))
        updates.extend(update)
        hidden.extend(lost)
    if own_apt is not None and compare(own_apt, PINS_BY_VERSION_SINCE) < 0 and configuration.pins:
        policy.problems.append(f"pins: foretold by the rules of apt {PINS_BY_VERSION_SINCE}; the image has {own_apt}")
    return Choice(tuple(updates), tuple(hidden), (), tuple(dict.fromkeys(policy.problems)))


def usable(suite: Suite) -> bool:
    """Whether apt would list what this suite offers: it has a good signature, or its entry does without one.

    `trusted=yes` and `allow-insecure=yes` take anything, even what carries a bad signature; `trusted=no` has apt ask
    before it installs, and changes nothing in its list. Witness: tests/system/test_apt_choice.py.
    """
    if suite.release is None:
        return False
    entry = suite.entry
    signed = suite.verified or (entry.trusted is False and bool(suite.signers))
    return signed or entry.trusted is True or entry.allow_insecure is True


def _indexed(suites: Iterable[OfferedSuite]) -> list[Release]:
    return [release_of(offered.suite) for offered in suites if offered.indexes != ()]


def _is_installed(package: Package) -> bool:
    return package.version != "" and package.status.split(" ")[-1] not in ("not-installed", "config-files")


def _in_order(packages: Iterable[Package], native: str, own_apt: str | None) -> list[Package]:
    """apt 1.7 and later sort by `name:architecture`, so that apt-utils stands before apt; earlier ones by name."""
    by_name = own_apt is not None and compare(own_apt, SORTED_BY_ARCHITECTURE_SINCE) < 0

    def place(package: Package) -> tuple[str, str]:
        own_slot = slot(package.architecture, native)
        return (package.name, own_slot) if by_name else (f"{package.name}:{own_slot}", "")

    return sorted(packages, key=place)


class _Engine:
    def __init__(self, policy: Policy, configuration: AptConfiguration) -> None:
        self._policy, self._configuration = policy, configuration
        status = Index(None, "", "now", "")
        self._status = File(status, "now", None, *policy.index_priority(status))
        self._native = configuration.architectures[0]

    def judge(self, package: Package, offers: Offers) -> tuple[list[Update], list[Hidden]]:
        versions, current = merged(package, offers, self._status)
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

    def _candidate(self, versions: Sequence[Version], current: Version, package: Package) -> Version | None:
        best: Version | None = None
        highest = 0
        for version in versions:
            priority, _ = self._priority(version, package)
            if priority <= highest:
                continue
            if priority < 1000 and compare(version.version, current.version) < 0:
                continue
            best, highest = version, priority
        return best

    def _priority(self, version: Version, package: Package) -> tuple[int, PinRule | None]:
        ceiling = self._ceiling(version)
        pin = self._pin(version, package)
        if pin is not None and any(file.priority != NEVER for file in version.files):
            return min(pin.priority, ceiling), pin
        best = max(version.files, key=lambda file: file.priority)
        return min(best.priority, ceiling), best.pin

    def _pin(self, version: Version, package: Package) -> PinRule | None:
        named = self._policy.naming(package.name, version.source, slot(package.architecture, self._native))
        indexes = [file.index for file in version.files]
        return next((rule for rule in named if self._policy.version_matches(rule, version.version, indexes)), None)

    def _ceiling(self, version: Version) -> int:
        """Phasing decides what is listed only with Phase-Policy and Never-Include; a chroot gets all others at once."""
        phased = version.phased is not None and version.phased != 100
        configuration = self._configuration
        return 1 if phased and configuration.phase_policy and configuration.phasing == "never" else 1 << 15

    def _update(self, package: Package, current: Version, candidate: Version, offers: Offers) -> Update:
        offer = candidate.offer
        first = candidate.files[0]
        return Update(
            name=package.name,
            architecture=package.architecture,
            installed=current.version,
            available=candidate.version,
            suites=tuple(file.suite for file in candidate.files),
            security=offered_by_security(offers, current.version),
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
        self, package: Package, candidate: Version | None, reached: Version, top: Version, offers: Offers
    ) -> Hidden:
        return Hidden(
            name=package.name,
            architecture=package.architecture,
            installed=package.version,
            candidate=candidate.version if candidate else None,
            available=top.version,
            suites=tuple(file.suite for file in top.files),
            security=offered_by_security(offers, reached.version),
            because=self._reason(top, reached, package),
        )

    def _reason(self, top: Version, reached: Version, package: Package) -> str:
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
