"""Whose the packages are: what the distribution has never offered, or another key signed, is nobody's."""

from collections.abc import Collection, Iterator, Sequence

from affineur.assessment.model import ForeignPackage
from affineur.assessment.sentences import listed
from affineur.packages.inventory import Package
from affineur.packages.versions.rpm import key
from affineur.repositories.rpmmd.model import Offer

__all__ = ["foreign", "of_another_release", "of_unread_repositories"]


def foreign(installed: Sequence[Package], offers: Collection[Offer], keys: Collection[str]) -> Iterator[ForeignPackage]:
    """Installed packages that the distribution's repositories do not offer, or only older, or that another key signed.

    What is older than all that is offered may well have been offered once; what is newer never was.

    Args:
        offers: of all reference repositories, about the installed names at least.
        keys: fingerprints that sign the distribution's packages, where known; empty: signatures are not compared.
    """
    newest: dict[tuple[str, str], str] = {}
    for offer in offers:
        place = offer.name, offer.architecture
        newest[place] = max(newest.get(place, offer.version), offer.version, key=key)
    own = {fingerprint[-16:].lower() for fingerprint in keys}
    for package in installed:
        if package.manager != "rpm":
            continue
        versions = [newest.get((package.name, architecture)) for architecture in (package.architecture, "noarch")]
        why = ""
        if not any(versions):
            why = "no repository of the distribution has a package of this name and architecture"
        elif not any(version is not None and key(version) >= key(package.version) for version in versions):
            why = "the distribution's repositories have only older versions"
        elif own and package.key_id and package.key_id not in own:
            why = f"it is signed by {package.key_id}, no key of the distribution"
        if why:
            yield ForeignPackage(package.name, package.version, package.architecture, why)


def of_unread_repositories(installed: Sequence[Package], others: Collection[ForeignPackage]) -> tuple[str, ...]:
    """Names of packages that are the distribution's, but in none of its repositories that were read.

    Who signed them, or whose they say they are, has signed or made what those repositories offer, too: so there are
    more repositories (of add-ons, or for customers), and notices in them that nobody has looked at.

    Args:
        others: what `foreign` found.
    """
    apart = {(each.name, each.version, each.architecture) for each in others}
    own = [p for p in installed if (p.name, p.version, p.architecture) not in apart and p.manager == "rpm"]
    keys, vendors = {p.key_id for p in own} - {""}, {p.vendor for p in own} - {""}
    return tuple(
        sorted(
            {
                package.name
                for package in installed
                if (package.name, package.version, package.architecture) in apart
                and (package.key_id in keys or package.vendor in vendors)
            }
        )
    )


def of_another_release(count: int, others: Sequence[ForeignPackage], name: str) -> str | None:
    """Why os-release cannot be right, by the packages themselves; None where most are of the release that it names.

    Args:
        count: of the installed packages.
        others: what `foreign` found, with every reference repository read.
        name: of the release, as os-release has it.
    """
    if len(others) * 2 <= count:
        return None
    return (
        f"{len(others)} of {count} packages are none that {name} has published, although os-release says that this is"
        f" it: {listed(sorted({each.name for each in others}))}"
    )
