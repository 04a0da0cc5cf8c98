"""Where an image's own apk departs from what its distribution publishes. Findings; few change the letter."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from affineur.assessment.contents import Contents
from affineur.assessment.model import Deviation, ForeignPackage
from affineur.assessment.sentences import listed
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.packages.versions.apk import key
from affineur.repositories.apk.choose import Choice
from affineur.repositories.apk.model import ApkConfiguration, Offer, OfferedIndex
from affineur.repositories.apk.published import PublishedIndex
from affineur.repositories.apk.reference import release_of

__all__ = ["contradiction", "deviations", "foreign", "mislabelled"]

INSTALLED = "/lib/apk/db/installed"
_NAMES_RELEASE = ("alpine-release", "alpine-base")


def deviations(
    contents: Contents,
    configuration: ApkConfiguration,
    offered: Sequence[OfferedIndex],
    choice: Choice,
    pinned: Collection[str],
    published: Sequence[PublishedIndex],
) -> Iterator[Deviation]:
    """Everything that has the image offered something else than its distribution publishes.

    Args:
        offered: the image's own indexes.
        choice: what apk would say inside.
        pinned: fingerprints that may sign the reference repositories.
    """
    packages = [package for package in contents.packages if package.manager == "apk"]
    named = {each.index.digest for each in offered if each.index.digest}
    urls = [each.public_url for each in configuration.repositories if not each.tag]
    for one in published:
        elsewhere = one.index is None or one.index.digest not in named
        if elsewhere and not any(url.endswith(f"/{one.reference.path}") for url in urls):
            yield Deviation("missing-suite", f"its repositories do not name {one.name}", "/etc/apk/repositories")
    for each in offered:
        repository = each.index.repository
        place = f"/{repository.path}:{repository.line}"
        if each.index.verified and pinned and not pinned_by(each, pinned):
            signer = ", ".join(each.index.key_names)
            what = f"{repository.public_url} is signed by {signer}, no key of the distribution"
            yield Deviation("unknown-key", what, place)
        if repository.has_login:
            yield Deviation("credentials", "a login for a repository stands in the image", place)
    for held in choice.held:
        what = f"{held.name} {held.available} is on offer and would not be taken"
        yield Deviation("pin", what, f"/etc/apk/world: {held.because}")
    tagged = sorted({package.name for package in packages if package.repository})
    if tagged:
        yield Deviation("tagged", f"from repositories that are not used by default: {listed(tagged)}", INSTALLED)
    offers = [offer for one in published if one.verified for offer in one.offers]
    for _, wrong in mislabelled(packages, offers):
        yield Deviation("source", wrong, INSTALLED)
    if why := contradiction(contents):
        yield Deviation("os-release", why, f"/{contents.os_release.path}")


def pinned_by(offered: OfferedIndex, pinned: Collection[str]) -> bool:
    """Whether a key of the distribution signed it."""
    return not set(pinned).isdisjoint(offered.index.signers)


def contradiction(contents: Contents) -> str | None:
    """Why os-release cannot be right, by the package that carries it (its version is the release's); None if it may."""
    said = contents.os_release
    for package in contents.packages:
        if said.id == "alpine" and package.name in _NAMES_RELEASE:
            version = package.version.rpartition("-r")[0] or package.version
            if release_of(OSRelease({"ID": "alpine", "VERSION_ID": version})) != release_of(said):
                return f"os-release says Alpine {said.version_id}, but {package.name} is {package.version}"
    return None


def mislabelled(installed: Iterable[Package], offers: Iterable[Offer]) -> Iterator[tuple[str, str]]:
    """(package, what is wrong) where the image names another origin for a package than the distribution does.

    Fixes are listed by origin. An image that says of its libssl that it is built from something else would have none.
    """
    origins: dict[str, set[str]] = {}
    for offer in offers:
        origins.setdefault(offer.name, set()).add(offer.source)
    for package in installed:
        known = origins.get(package.name)
        if known and package.source not in known:
            said = f"the image says that {package.name} {package.version} is built from {package.source}"
            yield package.name, f"{said}, its distribution builds it from {listed(sorted(known))}"


def foreign(installed: Iterable[Package], offers: Iterable[Offer]) -> Iterator[ForeignPackage]:
    """Installed packages that the distribution's repositories do not offer, or only older.

    What is older than all that is offered may well have been offered once; what is newer never was. What `apk add -t`
    makes (`.build-deps`) is a list of others, and no package.
    """
    newest: dict[str, str] = {}
    for offer in offers:
        newest[offer.name] = max(newest.get(offer.name, offer.version), offer.version, key=key)
    for package in installed:
        if package.name.startswith("."):
            continue
        version = newest.get(package.name)
        if version is None:
            why = "no repository of the distribution has a package of this name"
        elif key(version) < key(package.version):
            why = "the distribution's repositories have only older versions"
        else:
            continue
        yield ForeignPackage(package.name, package.version, package.architecture, why)
