"""Where an image's own repositories depart from what its distribution publishes. Findings; none changes the letter."""

from collections.abc import Collection, Iterator, Sequence

from affineur.repositories.rpmmd.model import Fetched, Repository, RpmConfiguration
from affineur.repositories.rpmmd.published import Published

__all__ = ["deviations"]

SHOWN = 5  # names of a list that are shown


def deviations(
    configuration: RpmConfiguration,
    fetched: Sequence[Fetched],
    published: Sequence[Published] = (),
    pinned: Collection[str] = frozenset(),
) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, what it is, where it stands: an absolute path of the image, with a line where known).

    Args:
        fetched: the image's enabled repositories, asked.
        published: the distribution's reference repositories, looked for.
        pinned: fingerprints that may sign the distribution's repomd.xml.
    """
    folder = "/etc/zypp/repos.d" if configuration.manager == "zypper" else "/etc/yum.repos.d"
    for each in published:
        if not each.from_image:
            reference = each.reference
            yield "missing-repository", f"no repository of the image is {reference.name} of the distribution", folder
    for repository in configuration.repositories:
        if repository.enabled:
            yield from _of_section(repository)
    for found in fetched:
        yield from _of_answer(found, frozenset(pinned))
    if configuration.exclude:
        yield "exclude", f"left out of all repositories: {_listed(configuration.exclude)}", _main(configuration)
    if configuration.locks:
        yield "hold", f"held back: {_listed(configuration.locks)}", _locks(configuration)


def _of_section(repository: Repository) -> Iterator[tuple[str, str, str]]:
    name, where = f"[{repository.id}]", _place(repository)
    if not repository.gpgcheck:
        yield "gpgcheck", f"gpgcheck=0 has packages of {name} taken whoever signed them", where
    if not repository.sslverify:
        yield "sslverify", f"sslverify=0 has {name} taken from whoever answers", where
    if repository.credentials:
        yield "credentials", f"a login for {name} stands in the image; it is never sent", where
    if plain := [url for url in _urls(repository) if url.lower().startswith("http://")]:
        yield "plain-http", f"{name} is asked over plain HTTP, which anybody on the way can change: {plain[0]}", where
    if repository.client_certificate:
        yield "entitlement", f"{name} needs an entitlement: {repository.client_certificate}", where
    if repository.exclude or repository.includepkgs:
        left = f"left out of {name}: {_listed(repository.exclude)}" if repository.exclude else ""
        only = f"only these are taken from {name}: {_listed(repository.includepkgs)}" if repository.includepkgs else ""
        yield "exclude", "; ".join(filter(None, (left, only))), where


def _of_answer(found: Fetched, pinned: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    if found.signers and pinned and not pinned.intersection(found.signers):
        signer = ", ".join(found.signers)
        what = f"[{found.repository.id}] is signed by {signer}, no key of the distribution"
        yield "unknown-key", what, _place(found.repository)


def _urls(repository: Repository) -> Iterator[str]:
    yield from (url for url in (repository.metalink, repository.mirrorlist, *repository.baseurl) if url)


def _place(repository: Repository) -> str:
    return f"/{repository.path}:{repository.line}"


def _main(configuration: RpmConfiguration) -> str:
    return {"zypper": "/etc/zypp/zypp.conf", "yum": "/etc/yum.conf"}.get(configuration.manager, "/etc/dnf/dnf.conf")


def _locks(configuration: RpmConfiguration) -> str:
    return "/etc/zypp/locks" if configuration.manager == "zypper" else "/etc/dnf/plugins/versionlock.list"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
