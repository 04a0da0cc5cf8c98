"""Where an image's own apt departs from what its distribution publishes. Findings; none changes the letter."""

from collections.abc import Iterable, Iterator, Sequence

from affineur.assessment.contents import Contents
from affineur.assessment.model import Deviation
from affineur.assessment.sentences import listed
from affineur.packages.inventory import Package
from affineur.packages.versions.deb import key
from affineur.repositories.apt.choose import Choice
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite, SourceEntry
from affineur.repositories.update import Update

__all__ = ["contradiction", "deviations", "foreign", "mislabelled", "of_another_release"]


def deviations(
    contents: Contents,
    configuration: AptConfiguration,
    offered: Sequence[OfferedSuite],
    choice: Choice,
    pinned: Iterable[str],
    missing: Iterable[str],
    published: Iterable[Update],
) -> Iterator[Deviation]:
    """Everything that has the image offered something else than its distribution publishes.

    Args:
        offered: the image's own suites.
        choice: what apt would say inside.
        pinned: fingerprints that may sign the reference suites.
        missing: names of the reference suites that the image's own sources leave out.
        published: what the reference suites offer that is newer.
    """
    known = set(pinned)
    for name in missing:
        yield Deviation("missing-suite", f"its sources do not name {name}", "/etc/apt")
    for each in offered:
        yield from _of_suite(each, known)
    for entry in configuration.sources:
        if entry.has_login:
            yield Deviation("credentials", "a login for a repository stands in the image", _place(entry))
    if not configuration.check_valid_until:
        yield Deviation("valid-until", "apt is told not to check Valid-Until", "/etc/apt/apt.conf")
    for lost in choice.hidden:
        kind = "pin" if lost.because.startswith("etc/apt/preferences") else "not-taken"
        yield Deviation(kind, f"{lost.name} {lost.available} is on offer and would not be taken", lost.because)
    held = [update.name for update in choice.updates if update.held]
    if held:
        yield Deviation("hold", f"held back although there are updates: {listed(held)}", "/var/lib/dpkg/status")
    for _, wrong in mislabelled(contents, published):
        yield Deviation("source", wrong, "/var/lib/dpkg/status")
    if why := contradiction(contents):
        yield Deviation("os-release", why, f"/{contents.os_release.path}")


def _of_suite(each: OfferedSuite, pinned: set[str]) -> Iterator[Deviation]:
    suite, entry = each.suite, each.suite.entry
    name = f"{entry.suite} of {entry.host or entry.uri}"
    if entry.trusted:
        yield Deviation("trusted", f"trusted=yes has apt take {name} whoever signed it", _place(entry))
    if entry.allow_insecure:
        yield Deviation("allow-insecure", f"allow-insecure=yes has apt take {name} unsigned", _place(entry))
    if entry.check_valid_until is False:
        yield Deviation("valid-until", f"Valid-Until of {name} is not checked", _place(entry))
    if suite.verified and pinned and not pinned.intersection(suite.signers):
        signer = ", ".join(suite.signers)
        yield Deviation("unknown-key", f"{name} is signed by {signer}, no key of the distribution", _place(entry))


def contradiction(contents: Contents) -> str | None:
    """Why os-release cannot be right, by the version of base-files, which carries that very file; None if nothing does.

    Debian's base-files has the release's number as its major version; Ubuntu's has `ubuntu` in its version.
    """
    base = next((package for package in contents.packages if package.name == "base-files"), None)
    if base is None:
        return None
    said = contents.os_release
    is_ubuntu = "ubuntu" in base.version
    if (said.id == "debian" and is_ubuntu) or (said.id == "ubuntu" and not is_ubuntu):
        return f"os-release says {said.id}, but base-files {base.version} is not of that distribution"
    major = base.version.partition(".")[0].partition("+")[0]
    if said.id == "debian" and said.version_id and major.isdigit() and major != said.version_id.partition(".")[0]:
        return f"os-release says Debian {said.version_id}, but base-files {base.version} is of Debian {major}"
    return None


def mislabelled(contents: Contents, published: Iterable[Update]) -> Iterator[tuple[str, str]]:
    """(source package, what is wrong) where the image names another source for a package than the distribution does.

    Notices are about sources. An image that says of its openssl that it is built from something else, or from a newer
    openssl than the newest, would have none of them.

    Args:
        published: what the reference suites offer that is newer than what is installed.
    """
    installed = {(package.name, package.architecture): package for package in contents.packages}
    seen = set()
    for update in published:
        package = installed.get((update.name, update.architecture))
        if package is None or update.source in seen:
            continue
        said = f"the image says that {package.name} {package.version} is built from"
        if package.source != update.source:
            seen.add(update.source)
            yield update.source, f"{said} {package.source}, its distribution builds it from {update.source}"
        elif key(package.source_version) > key(update.source_version):
            seen.add(update.source)
            newest = f"{update.available} from {update.source_version}"
            yield update.source, f"{said} {package.source} {package.source_version}, its distribution {newest}"


def foreign(contents: Contents, published: Sequence[OfferedSuite]) -> tuple[str, ...]:
    """Names of installed packages that the reference suites do not offer for their architecture, or only older.

    What is older than all that is offered may well have been offered once; what is newer never was.
    """
    offered: dict[str, dict[str, str]] = {}  # name → architecture → newest version
    for offer in (offer for each in published for offer in each.offers):
        of_name = offered.setdefault(offer.name, {})
        of_name[offer.architecture] = max(of_name.get(offer.architecture, offer.version), offer.version, key=key)

    def is_offered(package: Package) -> bool:
        versions = offered.get(package.name, {})
        return any(
            key(version) >= key(package.version)
            for architecture, version in versions.items()
            if "all" in (architecture, package.architecture) or architecture == package.architecture
        )

    return tuple(sorted({package.name for package in contents.packages if not is_offered(package)}))


def of_another_release(contents: Contents, others: Sequence[str]) -> str | None:
    """Why os-release cannot be right, by the packages themselves; None where most are of the release that it names.

    Args:
        others: what `foreign` found, with every reference suite read.
    """
    names = {package.name for package in contents.packages}
    if len(others) * 2 <= len(names):
        return None
    return (
        f"{len(others)} of {len(names)} packages are none that {contents.os_release.pretty_name} has published,"
        f" although os-release says that this is it: {listed(others)}"
    )


def _place(entry: SourceEntry) -> str:
    return f"/{entry.path}:{entry.line}"
