"""registries.conf beside skopeo and podman: whom they ask on this machine is whom we would ask, in the same order."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest

from affineur.errors import ForbiddenAddress, InvalidReference
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registries import Registries
from affineur.source.configuration.shortnames import resolve
from support.leaving_out import leave_out

pytestmark = pytest.mark.system

DIGEST = "sha256:" + "ab" * 32
Log = list[tuple[str, str]]


@contextmanager
def places(number: int) -> Iterator[tuple[list[str], Log]]:
    """Registries on loopback that have nothing: their `host:port`, and what manifests they are asked for, in order."""
    asked: Log = []

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/manifests/" in self.path:
                asked.append((f"127.0.0.1:{self.server.server_port}", self.path))  # type: ignore[attr-defined]
            self.send_response(404 if "/manifests/" in self.path else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            pass

    with ExitStack() as open_:
        hosts = []
        for _ in range(number):
            server = open_.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Nothing))
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            open_.callback(server.shutdown)
            hosts.append(f"127.0.0.1:{server.server_port}")
        yield hosts, asked


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        leave_out(f"{command[0]} is not installed")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(home / "elsewhere")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def configured(home: Path, text: str, hosts: list[str], name: str = "registries.conf") -> Registries:
    path = home / ".config" / "containers" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, host in enumerate(hosts):
        text = text.replace(f"HOST{number}", host)
    path.write_text(text)
    return Registries.read({"HOME": str(home)}, home / "no-system", user=1000)


MOVED = """
[[registry]]
prefix = "app.example/team"
location = "HOST2/moved/here"
insecure = true
"""
TWO_MIRRORS = """
[[registry.mirror]]
location = "HOST1/second/first"
insecure = true
[[registry.mirror]]
location = "HOST0"
insecure = true
"""
CASES = {
    "a location": MOVED,
    "mirrors in their order": MOVED + TWO_MIRRORS,
    "mirrors for digests alone": MOVED.replace("insecure", "mirror-by-digest-only = true\ninsecure") + TWO_MIRRORS,
    "pull-from-mirror": MOVED
    + TWO_MIRRORS.replace(
        '\n[[registry.mirror]]\nlocation = "HOST0',
        '\npull-from-mirror = "digest-only"\n[[registry.mirror]]\npull-from-mirror = "tag-only"\nlocation = "HOST0',
    ),
    "the longest prefix": MOVED
    + '[[registry]]\nprefix = "app.example/team/app"\nlocation = "HOST1/longest"\ninsecure = true\n'
    + '[[registry]]\nprefix = "app.example"\nlocation = "HOST0/shortest"\ninsecure = true\n',
    "a prefix ends at a slash": MOVED
    + '[[registry]]\nprefix = "app.example/team/ap"\nlocation = "HOST0"\ninsecure = true\n',
    "a prefix with a tag": MOVED
    + '[[registry]]\nprefix = "app.example/team/app:1"\nlocation = "HOST0/tagged:2"\ninsecure = true\n',
    "a wildcard": '[[registry]]\nprefix = "*.example"\nlocation = "HOST0/all"\ninsecure = true\n',
    "a wildcard is shorter": MOVED + '[[registry]]\nprefix = "*.example"\nlocation = "HOST0/all"\ninsecure = true\n',
    "the first of two": MOVED + '[[registry]]\nprefix = "app.example/team/"\nlocation = "HOST0"\ninsecure = true\n',
    "blocked, with mirrors": MOVED + "blocked = true\n" + TWO_MIRRORS,
    "a mirror that is blocked": MOVED + TWO_MIRRORS + '[[registry]]\nlocation = "HOST1"\nblocked = true\n',
    "a location that is blocked": MOVED + '[[registry]]\nlocation = "HOST2/moved"\nblocked = true\n',
    "keys in other letters": MOVED.replace("location", "Location").replace("insecure", "INSECURE"),
    "keys that nobody knows": MOVED + 'colour = "blue"\n[other]\nx = 1\n',
}


@pytest.mark.parametrize("which", [":1", f"@{DIGEST}"])
@pytest.mark.parametrize("case", CASES)
def test_skopeo_asks_whom_we_would(tmp_path: Path, case: str, which: str) -> None:
    name = f"app.example/team/app{which}"
    with places(3) as (hosts, asked):
        registries = configured(tmp_path, CASES[case], hosts)
        done = run(tmp_path, "skopeo", "inspect", f"docker://{name}")
    assert done.returncode != 0
    try:
        endpoints = registries.endpoints(parse_reference(name))
    except ForbiddenAddress:
        endpoints = ()
    ours = [
        (each.reference.registry, f"/v2/{each.reference.repository}/manifests/{each.reference.which}")
        for each in endpoints
    ]
    if case == "blocked, with mirrors":  # skopeo looks at the place alone, against containers-registries.conf(5)
        assert asked.pop() == (hosts[2], f"/v2/moved/here/app/manifests/{which[1:]}")
    assert asked == ours
    assert ours or "block" in case, "the case says nothing"


ALIASES = '[aliases]\n"tool" = "HOST0/hidden/tool"\n"team/tool" = "HOST1/other"\n"gone" = "HOST0/gone"\n'
DROP_IN = '[aliases]\n"tool" = "HOST1/alias/tool"\n"gone" = ""\n'
ONE = 'unqualified-search-registries = ["HOST2"]\n'
INSECURE = "".join(f'[[registry]]\nlocation = "HOST{number}"\ninsecure = true\n' for number in range(3))


@pytest.mark.parametrize("name", ["tool", "tool:3", f"tool@{DIGEST}", "team/tool", "gone:1", "none", "team/none:2"])
def test_podman_means_what_we_do(tmp_path: Path, name: str) -> None:
    with places(3) as (hosts, asked):
        configured(tmp_path, ONE + ALIASES + INSECURE, hosts)
        registries = configured(tmp_path, DROP_IN, hosts, "registries.conf.d/9.conf")
        podman_pull(tmp_path, name)
    meant = resolve(name, registries).reference
    assert asked == [(meant.registry, f"/v2/{meant.repository}/manifests/{meant.which}")]


def test_where_podman_tries_one_after_the_other_we_ask_the_user(tmp_path: Path) -> None:
    with places(3) as (hosts, asked):
        registries = configured(tmp_path, 'unqualified-search-registries = ["HOST1", "HOST0"]\n' + INSECURE, hosts)
        podman_pull(tmp_path, "tool:3")
    assert asked == [(host, "/v2/tool/manifests/3") for host in (hosts[1], hosts[0])]
    with pytest.raises(InvalidReference, match=f"several.*: {hosts[1]}/tool:3, {hosts[0]}/tool:3$"):
        resolve("tool:3", registries)


def podman_pull(home: Path, name: str) -> None:
    with TemporaryDirectory() as short:  # podman takes no runroot of more than 50 characters
        storage = ["--root", str(home / "storage"), "--runroot", short, "--storage-driver", "vfs"]
        done = run(home, "podman", *storage, "pull", name)
    assert "manifest unknown" in done.stderr or "404" in done.stderr, done.stderr


MAIN, DROP_INS = (
    "registries.conf",
    ("registries.conf.d/9.conf", "registries.conf.d/10.conf", "registries.conf.d/no.other"),
)
FILES = {
    "the system's": [f"etc/{each}" for each in (MAIN, *DROP_INS)],
    "a user's drop-ins": [f"etc/{each}" for each in (MAIN, *DROP_INS)] + [f"user/{each}" for each in DROP_INS],
    "a user's main file": [f"{place}/{each}" for place in ("etc", "user") for each in (MAIN, *DROP_INS)],
    "drop-ins alone": [f"{place}/{each}" for place in ("etc", "user") for each in DROP_INS],
}


@pytest.mark.parametrize("variable", ["", "CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"])
@pytest.mark.parametrize("case", FILES)
def test_podman_reads_the_files_that_we_read_in_our_order(tmp_path: Path, case: str, variable: str) -> None:
    """In a mount namespace, where /etc/containers is the test's own, and without a network."""
    places = {"etc": tmp_path / "etc/containers", "user": tmp_path / "home/.config/containers"}
    for name in FILES[case]:
        place, _, rest = name.partition("/")
        path = places[place] / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (places["etc"] / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (tmp_path / "named.conf").write_text("")
    named = {variable: str(tmp_path / "named.conf")} if variable else {}
    registries = Registries.read({"HOME": str(tmp_path / "home"), **named}, tmp_path, user=1000)
    ours = [str(file).replace(str(places["etc"]), "/etc/containers") for file in registries.files]
    assert loaded_by_podman(tmp_path, places["etc"], named) == ours


def loaded_by_podman(home: Path, etc: Path, variables: dict[str, str]) -> list[str]:
    if shutil.which("podman") is None:
        leave_out("podman is not installed")
    if subprocess.run(["unshare", "-mn", "true"], capture_output=True, check=False).returncode != 0:
        leave_out("a mount namespace may not be made here")
    with TemporaryDirectory() as short:
        words = f"--log-level=debug --root {home}/storage --runroot {short} --storage-driver vfs info"
        done = subprocess.run(
            ["unshare", "-mn", "sh", "-c", f"mount --bind {etc} /etc/containers && exec podman {words}"],
            capture_output=True,
            text=True,
            env={"HOME": str(home / "home"), "PATH": os.environ["PATH"], **variables},
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    # it also says which main file it looked for in vain
    read = re.findall(r'Loading registries configuration \\"(.*?)\\"', done.stderr)
    return [
        file
        for file in read
        if file.startswith(str(home)) or (etc / Path(file).relative_to("/etc/containers")).exists()
    ]
