"""containers-certs.d(5); that skopeo looks into the same folders is tried in tests/system/test_tls.py."""

from pathlib import Path

import pytest

from affineur.errors import InvalidSettings
from affineur.http.tls import HostTls
from affineur.source.configuration.certificates import Certificates, TlsByHost, certificates_of, read_folder


class Host:
    """A user's home and a system's root, with folders to be filled."""

    def __init__(self, folder: Path) -> None:
        self.home, self.root = folder / "home", folder / "root"

    def put(self, path: str, *names: str) -> Path:
        """A certs.d folder (below `home/` or `root/`) with these files, empty."""
        folder = self.home.parent / path
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
        return folder

    def found(self, host: str, port: int) -> Certificates:
        return certificates_of(host, port, home=self.home, root=self.root)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


HOME, CONTAINERS, DOCKER = "home/.config/containers/certs.d", "root/etc/containers/certs.d", "root/etc/docker/certs.d"


def test_the_man_pages_example(host: Host) -> None:
    folder = host.put(f"{CONTAINERS}/my-registry.com:5000", "client.cert", "client.key", "ca.crt")
    assert host.found("my-registry.com", 5000) == Certificates(
        folder, (folder / "ca.crt",), ((folder / "client.cert", folder / "client.key"),)
    )


def test_the_first_folder_is_the_one(host: Host) -> None:
    """containers/image, docker_client.go, dockerCertDir: what comes later is not added."""
    for base in (DOCKER, CONTAINERS, HOME):
        folder = host.put(f"{base}/registry.example:5000", f"{base[:4]}.crt")
        assert host.found("registry.example", 5000).folder == folder
    assert [file.name for file in host.found("registry.example", 5000).authorities] == ["home.crt"]


@pytest.mark.parametrize(
    ("name", "host_name", "port", "is_found"),
    [
        ("registry.example", "registry.example", 443, True),
        ("registry.example:443", "registry.example", 443, True),
        ("registry.example", "registry.example", 5000, False),
        ("registry.example:5000", "registry.example", 443, False),
        ("registry.example:5000", "sub.registry.example", 5000, False),
        ("example", "registry.example", 443, False),
        ("docker.io", "registry-1.docker.io", 443, True),
        ("registry-1.docker.io", "registry-1.docker.io", 443, True),
        ("[::1]:5000", "::1", 5000, True),
        ("127.0.0.1:5000", "127.0.0.1", 5000, True),
    ],
)
def test_a_folder_is_for_exactly_its_host_and_port(
    host: Host, name: str, host_name: str, port: int, is_found: bool
) -> None:
    folder = host.put(f"{CONTAINERS}/{name}", "ca.crt")
    assert host.found(host_name, port).folder == (folder if is_found else None)


def test_other_files_and_links_to_nowhere_are_passed_over(host: Host) -> None:
    folder = host.put(f"{HOME}/registry.example", "b.crt", "a.crt", "README", "ca.pem", "x.crt.old", ".hidden")
    (folder / "gone.crt").symlink_to(folder / "nowhere")
    assert [file.name for file in host.found("registry.example", 443).authorities] == ["a.crt", "b.crt"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["client.cert"], r"client\.cert .* without its key, client\.key.*ends in \.crt"),
        (["client.cert", "other.key"], r"client\.cert .* without its key, client\.key"),
        (["client.key", "ca.crt"], r"client\.key .* without its client certificate, client\.cert"),
    ],
)
def test_half_a_pair_is_an_error(host: Host, names: list[str], words: str) -> None:
    host.put(f"{HOME}/registry.example", *names)
    with pytest.raises(InvalidSettings, match=words):
        host.found("registry.example", 443)


def test_a_file_in_place_of_a_folder_is_an_error(host: Host) -> None:
    host.put(HOME, "registry.example")
    with pytest.raises(InvalidSettings, match=r"registry\.example: Not a directory"):
        host.found("registry.example", 443)


def test_a_folder_that_may_not_be_looked_into_counts_as_empty(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, who runs tests in containers, may look into every folder, the system's refusal is made up."""
    folder = host.put(f"{HOME}/registry.example", "ca.crt")

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert host.found("registry.example", 443) == Certificates(folder, unreadable=(folder,))
    monkeypatch.setattr(Path, "stat", refuse)
    assert host.found("registry.example", 443).folder is None
    assert folder in host.found("registry.example", 443).unreadable


def test_nothing_anywhere(tmp_path: Path) -> None:
    assert certificates_of("registry.example", 443, home=None, root=tmp_path) == Certificates()


class TestOfARun:
    """What the command line says, together with certs.d."""

    def test_each_host_has_its_own(self, host: Host) -> None:
        folder = host.put(f"{HOME}/registry.example", "ca.crt", "client.cert", "client.key")
        rule = TlsByHost(home=host.home, root=host.root)
        own = HostTls(True, (folder / "ca.crt",), ((folder / "client.cert", folder / "client.key"),))
        assert rule("registry.example", 443, True) == rule("registry.example", 443, False) == own
        assert rule("other.example", 443, True) == HostTls()

    def test_without_verification_are_only_registries_that_were_named(self, host: Host) -> None:
        rule = TlsByHost(home=host.home, root=host.root, verify=False)
        assert rule("registry.example", 443, True) == HostTls(verify=False)
        assert rule("archive.example", 443, False) == HostTls()

    def test_a_folder_that_was_named_shows_its_client_certificate_to_registries_only(self, host: Host) -> None:
        given = host.put("given", "ca.crt", "client.cert", "client.key")
        own = host.put(f"{HOME}/archive.example", "own.crt", "own.cert", "own.key")
        rule = TlsByHost(home=host.home, root=host.root, cert_dir=given)
        pair = (given / "client.cert", given / "client.key")
        assert rule("registry.example", 443, True) == HostTls(True, (given / "ca.crt",), (pair,))
        assert rule("other.example", 443, False) == HostTls(True, (given / "ca.crt",))
        both = HostTls(True, (own / "own.crt", given / "ca.crt"), ((own / "own.cert", own / "own.key"),))
        assert rule("archive.example", 443, False) == both

    def test_a_folder_that_was_named_is_in_place_of_certs_d(self, host: Host) -> None:
        """skopeo(1), --cert-dir: containers/image asks no other folder then."""
        given = host.put("given", "ca.crt")
        host.put(f"{HOME}/registry.example", "own.crt")
        rule = TlsByHost(home=host.home, root=host.root, cert_dir=given)
        assert rule("registry.example", 443, True) == HostTls(True, (given / "ca.crt",))

    def test_a_folder_that_was_named_and_is_none_is_an_error(self, host: Host) -> None:
        rule = TlsByHost(home=host.home, root=host.root, cert_dir=host.home / "none")
        with pytest.raises(InvalidSettings, match="none: No such file"):
            rule("registry.example", 443, True)

    def test_a_folder_is_read_without_the_files_themselves(self, host: Host) -> None:
        folder = host.put("given", "ca.crt")
        (folder / "ca.crt").write_text("no certificate")
        assert read_folder(folder).authorities == (folder / "ca.crt",)
