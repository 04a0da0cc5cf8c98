"""Debian's docker-registry behind TLS, asked by skopeo and by us with the same files and variables.

What skopeo accepts is accepted, and gives the same answer; what it refuses is refused.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import Authority
from support.command import Done, started
from support.docker_registry import docker_registry, push_image
from support.leaving_out import leave_out
from support.registry import tar_of
from support.tunnel import Tunnel

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[str, str]:
    return authority.issue("registry", "IP:127.0.0.1,DNS:registry.example")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's folder with an image in it."""
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("registry")
    with docker_registry(folder) as host:
        push_image(host, "team/app", "1", [tar_of({"a": b"b"})])
    return folder


@pytest.fixture(scope="module")
def registry(storage: Path, certificate: tuple[str, str]) -> Iterator[str]:
    """`host:port` of a registry with a certificate of the authority's."""
    with docker_registry(storage, tls=certificate) as host:
        yield host


@pytest.fixture(scope="module")
def choosy(storage: Path, certificate: tuple[str, str], authority: Authority) -> Iterator[str]:
    """`host:port` of one that wants to see a client's certificate, too."""
    with docker_registry(storage, tls=certificate, clients=authority.folder / "ca.crt") as host:
        yield host


@pytest.fixture(scope="module")
def pair(authority: Authority) -> tuple[str, str]:
    return authority.issue("client", "DNS:client.example")


class User:
    """Somebody with a home, who asks for an image by skopeo and by us."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def keep(self, folder: str, **files: Path | str) -> Path:
        """A folder below the home with copies of these files; `ca_crt=` makes `ca.crt`."""
        made = self.home / folder
        made.mkdir(parents=True)
        for name, source in files.items():
            shutil.copy(source, made / name.replace("_", "."))
        return made

    def both(self, name: str, *options: str, **variables: str) -> tuple[bool, Done]:
        """Whether skopeo gave an answer, and what we said; where both answered, the same."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **variables}
        theirs = subprocess.run(
            ["skopeo", "inspect", *options, f"docker://{name}"], capture_output=True, env=environment, check=False
        )
        ours = started(self.home, ["inspect", "--json", *options, name], **variables)
        if theirs.returncode == 0 and ours.code == 0:
            expected = json.loads(theirs.stdout)
            assert {key: ours.document[key] for key in expected} == expected
        return theirs.returncode == 0, ours


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


CERTS_D = ".config/containers/certs.d"


class TestAnAuthority:
    def test_that_nobody_trusts(self, registry: str, user: User) -> None:
        accepted, ours = user.both(f"{registry}/team/app:1")
        assert (accepted, ours.code) == (False, 4)
        assert ours.err.startswith(
            f"affineur: {registry}: its certificate of O=Tests, CN=registry, issued by CN=An authority, valid from "
        )
        assert ours.err.count("\n") == 1

    def test_in_certs_d(self, registry: str, user: User, authority: Authority) -> None:
        user.keep(f"{CERTS_D}/{registry}", ca_crt=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{registry}/team/app:1")
        assert (accepted, ours.code) == (True, 0), ours

    @pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.1:1", "registry.example"])
    def test_in_certs_d_of_another_port_or_host(
        self, registry: str, user: User, authority: Authority, name: str
    ) -> None:
        user.keep(f"{CERTS_D}/{name}", ca_crt=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{registry}/team/app:1")
        assert (accepted, ours.code) == (False, 4)

    def test_in_certs_d_where_xdg_config_home_points(self, registry: str, user: User, authority: Authority) -> None:
        """containers-certs.d(5) says $HOME/.config, and means it."""
        user.keep(f"xdg/containers/certs.d/{registry}", ca_crt=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{registry}/team/app:1", XDG_CONFIG_HOME=str(user.home / "xdg"))
        assert (accepted, ours.code) == (False, 4)

    def test_under_another_ending(self, registry: str, user: User, authority: Authority) -> None:
        user.keep(f"{CERTS_D}/{registry}", ca_pem=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{registry}/team/app:1")
        assert (accepted, ours.code) == (False, 4)

    def test_in_a_folder_that_is_named(self, registry: str, user: User, authority: Authority) -> None:
        folder = user.keep("mine", ca_crt=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{registry}/team/app:1", "--cert-dir", str(folder))
        assert (accepted, ours.code) == (True, 0), ours

    def test_in_certs_d_beside_a_folder_that_is_named(self, registry: str, user: User, authority: Authority) -> None:
        user.keep(f"{CERTS_D}/{registry}", ca_crt=authority.folder / "ca.crt")
        folder = user.keep("empty")
        accepted, ours = user.both(f"{registry}/team/app:1", "--cert-dir", str(folder))
        assert (accepted, ours.code) == (False, 4)

    def test_named_by_the_environment(self, registry: str, user: User, authority: Authority) -> None:
        accepted, ours = user.both(f"{registry}/team/app:1", SSL_CERT_FILE=str(authority.folder / "ca.crt"))
        assert (accepted, ours.code) == (True, 0), ours

    def test_need_not_be_known_without_verification(self, registry: str, user: User) -> None:
        accepted, ours = user.both(f"{registry}/team/app:1", "--tls-verify=false")
        assert (accepted, ours.code) == (True, 0), ours


class TestAClientCertificate:
    def test_that_is_missing(self, choosy: str, user: User, authority: Authority) -> None:
        user.keep(f"{CERTS_D}/{choosy}", ca_crt=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{choosy}/team/app:1")
        assert (accepted, ours.code) == (False, 4)
        assert "client certificate" in ours.err or "broke" in ours.err  # the alert may be lost with the connection

    def test_in_certs_d(self, choosy: str, user: User, authority: Authority, pair: tuple[str, str]) -> None:
        user.keep(f"{CERTS_D}/{choosy}", ca_crt=authority.folder / "ca.crt", me_cert=pair[0], me_key=pair[1])
        accepted, ours = user.both(f"{choosy}/team/app:1")
        assert (accepted, ours.code) == (True, 0), ours

    def test_in_a_folder_that_is_named(
        self, choosy: str, user: User, authority: Authority, pair: tuple[str, str]
    ) -> None:
        folder = user.keep("mine", ca_crt=authority.folder / "ca.crt", me_cert=pair[0], me_key=pair[1])
        accepted, ours = user.both(f"{choosy}/team/app:1", "--cert-dir", str(folder))
        assert (accepted, ours.code) == (True, 0), ours

    @pytest.mark.parametrize("half", ["me_cert", "me_key"])
    def test_of_which_half_is_missing(
        self, choosy: str, user: User, authority: Authority, pair: tuple[str, str], half: str
    ) -> None:
        files: dict[str, Path | str] = {
            "ca_crt": authority.folder / "ca.crt",
            half: pair[0] if half == "me_cert" else pair[1],
        }
        folder = user.keep(f"{CERTS_D}/{choosy}", **files)
        accepted, ours = user.both(f"{choosy}/team/app:1")
        assert (accepted, ours.code) == (False, 2)
        assert str(folder / half.replace("_", ".")) in ours.err


class TestByProxy:
    def test_a_registry_that_has_no_address_here(self, registry: str, user: User, authority: Authority) -> None:
        user.keep(f"{CERTS_D}/registry.example", ca_crt=authority.folder / "ca.crt")
        with Tunnel(to=int(registry.rpartition(":")[2])) as tunnel:
            proxy = f"http://name:pass@127.0.0.1:{tunnel.port}"
            accepted, ours = user.both("registry.example/team/app:1", HTTPS_PROXY=proxy)
            assert (accepted, ours.code) == (True, 0), ours
        hosts = {head.split()[1] for head in tunnel.asked}
        logins = {line for head in tunnel.asked for line in head.splitlines() if line.startswith("Proxy-Authorization")}
        assert hosts == {"registry.example:443"}
        assert len(logins) == 1  # skopeo's and ours

    def test_that_refuses(self, user: User) -> None:
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        with Tunnel(to=1, answer=refusal) as tunnel:
            proxy = f"http://name:hunter2@127.0.0.1:{tunnel.port}"
            accepted, ours = user.both("registry.example/team/app:1", HTTPS_PROXY=proxy)
        assert (accepted, ours.code) == (False, 4)
        assert f"the proxy http://127.0.0.1:{tunnel.port} does not accept the login in HTTPS_PROXY" in ours.err
        assert "hunter2" not in ours.err

    def test_is_not_used_for_this_machine(self, registry: str, user: User, authority: Authority) -> None:
        user.keep(f"{CERTS_D}/{registry}", ca_crt=authority.folder / "ca.crt")
        accepted, ours = user.both(f"{registry}/team/app:1", HTTPS_PROXY="http://127.0.0.1:9")
        assert (accepted, ours.code) == (True, 0), ours
