"""Package URLs: one name for a package that other tools understand. purl-spec, types/{deb,apk,rpm}-definition.json."""

import re
from urllib.parse import quote

import msgspec

from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease

__all__ = ["apk_purl", "deb_purl", "oci_purl", "package_purl", "rpm_purl"]


def package_purl(package: Package, release: OSRelease | None) -> str | None:
    """The URL of an installed package, by its manager's type; None where os-release does not say whose it is."""
    make = _BY_MANAGER.get(package.manager)
    return make(package, release) if make else None


def deb_purl(package: Package, release: OSRelease | None) -> str | None:
    """`pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64&distro=debian-12`.

    Returns:
        None where os-release does not say whose package it is: the namespace is not optional for this type.
    """
    return _distribution_purl("deb", package, release)


def apk_purl(package: Package, release: OSRelease | None) -> str | None:
    """`pkg:apk/alpine/musl@1.1.22-r3?arch=x86_64&distro=alpine-3.10.4`; None as for deb."""
    return _distribution_purl("apk", package, release)


def rpm_purl(package: Package, release: OSRelease | None) -> str | None:
    """`pkg:rpm/centos/bind-license@9.9.4-73.el7?arch=noarch&distro=centos-7&epoch=32&upstream=bind-9.9.4-73.el7.src.rpm`.

    The epoch is a qualifier of its own; `upstream`, as other tools have it, is the source rpm, where it is called
    otherwise than the package. None as for deb.
    """
    epoch, _, version = package.version.rpartition(":")
    source = f"{package.source}-{package.source_version.rpartition(':')[2]}"
    upstream = "" if source == f"{package.name}-{version}" else f"{source}.src.rpm"
    plain = msgspec.structs.replace(package, version=version)
    return _distribution_purl("rpm", plain, release, epoch=epoch, upstream=upstream)


def _distribution_purl(kind: str, package: Package, release: OSRelease | None, **more: str) -> str | None:
    if release is None or not release.fields.get("ID"):
        return None
    vendor = release.id.lower()
    distro = "-".join(filter(None, (vendor, release.version_id or release.codename)))
    qualifiers = {"arch": package.architecture, "distro": distro, **more}
    return f"pkg:{kind}/{_encoded(vendor)}/{_encoded(package.name)}@{_encoded(package.version)}{_joined(qualifiers)}"


_BY_MANAGER = {"apk": apk_purl, "dpkg": deb_purl, "rpm": rpm_purl}


def oci_purl(registry: str | None, repository: str, digest: str, platform_architecture: str) -> str:
    """`pkg:oci/debian@sha256:244f…?arch=amd64&repository_url=registry.example/debian` (types/oci-definition.json).

    Args:
        registry: None for an image on this machine; `repository` is its place then, such as `oci:build/app`, whose last
            part serves as the name.
    """
    name = re.split("[/:]", repository.rstrip("/"))[-1].lower()
    qualifiers = {"arch": platform_architecture}
    if registry is not None:
        qualifiers["repository_url"] = f"{registry}/{repository}"
    return f"pkg:oci/{_encoded(name)}@{_encoded(digest)}{_joined(qualifiers)}"


def _encoded(text: str) -> str:
    # purl-spec § Character encoding: all but letters, digits and `.-_~` in percent form, and the colon as it is
    return quote(text, safe=":")


def _joined(qualifiers: dict[str, str]) -> str:
    """In the order of their keys; empty ones do not exist."""
    present = [f"{key}={quote(value, safe=':/')}" for key, value in sorted(qualifiers.items()) if value]
    return f"?{'&'.join(present)}" if present else ""
