"""Package URLs, against purl-spec's own examples and the packageurl library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.packages.purl import deb_purl, oci_purl
from support.leaving_out import leave_out

try:
    from packageurl import PackageURL
except ModuleNotFoundError:
    PackageURL = None  # type: ignore[assignment,misc]

DEBIAN = OSRelease({"ID": "debian", "VERSION_ID": "12"})


def package(name: str, version: str, architecture: str) -> Package:
    return Package(name, version, architecture, name, version)


def test_examples_of_the_specification() -> None:
    # purl-spec, types/deb-definition.json § examples, apart from the qualifier that we add
    assert deb_purl(package("attr", "1:2.4.47-2+b1", "amd64"), OSRelease({"ID": "debian"})) == (
        "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64&distro=debian"
    )
    assert deb_purl(package("dpkg", "1.19.0.4", "amd64"), OSRelease({"ID": "debian", "VERSION_ID": "10"})) == (
        "pkg:deb/debian/dpkg@1.19.0.4?arch=amd64&distro=debian-10"
    )


def test_without_os_release_there_is_no_namespace_and_no_url() -> None:
    assert deb_purl(package("attr", "1", "amd64"), None) is None
    assert deb_purl(package("attr", "1", "amd64"), OSRelease({"NAME": "x"})) is None


def test_rolling_releases_are_named_by_codename() -> None:
    rolling = OSRelease({"ID": "debian", "VERSION_CODENAME": "trixie"})
    assert deb_purl(package("a1", "1", "all"), rolling) == "pkg:deb/debian/a1@1?arch=all&distro=debian-trixie"


NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{0,20}", fullmatch=True)
VERSIONS = st.from_regex(r"([0-9]:)?[0-9][A-Za-z0-9.+~-]{0,20}", fullmatch=True)


@given(NAMES, VERSIONS, st.sampled_from(["amd64", "all", "arm64"]))
def test_the_packageurl_library_reads_the_same_back(name: str, version: str, architecture: str) -> None:
    if PackageURL is None:
        leave_out("needs packageurl-python")
    made = deb_purl(package(name, version, architecture), DEBIAN)
    assert made is not None
    read = PackageURL.from_string(made)
    assert (read.type, read.namespace, read.name, read.version) == ("deb", "debian", name, version)
    assert read.qualifiers == {"arch": architecture, "distro": "debian-12"}
    assert read.to_string() == made


@pytest.mark.parametrize(
    ("registry", "repository"), [("registry.example:5000", "team/App"), ("registry.example", "app")]
)
def test_images_have_one_too(registry: str, repository: str) -> None:
    if PackageURL is None:
        leave_out("needs packageurl-python")
    digest = "sha256:" + "a1" * 32
    read = PackageURL.from_string(oci_purl(registry, repository, digest, "amd64"))
    assert (read.type, read.name, read.version) == ("oci", "app", digest)
    assert read.qualifiers == {"arch": "amd64", "repository_url": f"{registry}/{repository}"}


@pytest.mark.parametrize("place", ["oci:build/App", "oci-archive:app", "dir:/srv/app/"])
def test_an_image_on_this_machine_is_in_no_repository(place: str) -> None:
    """purl-spec, types/oci-definition.json: repository_url is where the artifact can be found, and is optional."""
    if PackageURL is None:
        leave_out("needs packageurl-python")
    read = PackageURL.from_string(oci_purl(None, place, "sha256:" + "a1" * 32, "amd64"))
    assert (read.type, read.name, read.qualifiers) == ("oci", "app", {"arch": "amd64"})
