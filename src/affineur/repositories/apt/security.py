"""Which suites carry security updates."""

from affineur.packages.versions.deb import compare
from affineur.repositories.apt.merge import Offers
from affineur.repositories.apt.model import Release

__all__ = ["is_security_suite", "offered_by_security"]


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


def offered_by_security(offers: Offers, above: str) -> bool | None:
    """Whether a security suite offers a version above the given one; None if only unknown suites might be one."""
    answers = {
        is_security_suite(file.index.release)
        for offer, file in offers
        if file.index.release is not None and compare(offer.version, above) > 0
    }
    return True if True in answers else None if None in answers else False
