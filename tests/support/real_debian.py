"""A real Debian (or Ubuntu) image that lacks updates, the indexes that apt fetched for it, and what apt says of it.

mmdebstrap makes a root of the main suite *alone*; then, inside it, main, updates and security are configured, apt
fetches their signed indexes, lists what it would upgrade, and downloads those packages. All of it comes from the
mirror that this machine's own apt is configured with; nothing here names one.
"""

import dataclasses
import fcntl
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["RealDebian", "cannot_make", "configuration", "make", "own_suites", "serve"]

FRESH_FOR_S = 12 * 3600
GIVE_UP_AFTER_S = 600
# apt's escaping of a URI as a file name (apt-pkg/contrib/strutl.cc, URItoFileName) leaves these alone but for "/"
SAFE = "/:+~.-=,@"

HOOK = r"""
set -eu
root=$1 folder=$2
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
cp "$folder/image.sources" "$root/etc/apt/sources.list.d/"
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get -q update -o Acquire::Languages=none
chroot "$root" apt list --upgradable 2>/dev/null >"$folder/upgradable.txt"
chroot "$root" dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' \
    >"$folder/packages.tsv"
mkdir -p "$root/var/cache/affineur"
names=$(sed -n 's,^\([^/]*\)/.*,\1,p' "$folder/upgradable.txt" | tr '\n' ' ')
chroot "$root" sh -c "cd /var/cache/affineur && apt-get -q -o APT::Sandbox::User=root download $names"
chroot "$root" apt-get -q --print-uris download $names >"$folder/uris.txt"
cp -r "$root/var/lib/apt/lists" "$folder/lists"
cp -r "$root/var/cache/affineur" "$folder/debs"
rm -rf "$root/var/cache/affineur" "$root/var/lib/apt/lists/"*
"""


@dataclasses.dataclass(frozen=True)
class RealDebian:
    """What was made.

    Attributes:
        folder: holds `root.tar`, `lists/`, `debs/`, `upgradable.txt`, `packages.tsv`.
        hosts: the hosts that the image's sources name.
    """

    folder: Path
    hosts: tuple[str, ...]

    @property
    def tar(self) -> Path:
        """The image's only layer, uncompressed."""
        return self.folder / "root.tar"

    @property
    def upgradable(self) -> list[str]:
        """The lines of `apt list --upgradable` inside."""
        lines = (self.folder / "upgradable.txt").read_text().splitlines()
        return [line for line in lines if "/" in line]


def cannot_make() -> str | None:
    """Why this machine cannot make a real root, or None."""
    if os.geteuid() != 0:
        return "only root can make a root file system here"
    if not shutil.which("mmdebstrap"):
        return "mmdebstrap is not installed"
    if not shutil.which("apt-get") or not own_suites():
        return "this machine's apt has no Debian or Ubuntu main suite configured"
    return None


def own_suites() -> list[tuple[str, str, str, str]]:
    """(site, suite, component, signed-by) of the distribution's own suites in this machine's apt."""
    codename = ""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            codename = line.partition("=")[2].strip('"')
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    suites = []
    for line in dict.fromkeys(listed.stdout.splitlines()):
        site, suite, component = line.split("|")
        if codename and component == "main" and suite in (codename, f"{codename}-updates", f"{codename}-security"):
            suites.append((site, suite, component, _keyring()))
    return sorted(suites, key=lambda suite: (len(suite[1]), suite[1] != f"{codename}-updates"))


def _keyring() -> str:
    for name in ("debian-archive-keyring.gpg", "ubuntu-archive-keyring.gpg"):
        if (Path("/usr/share/keyrings") / name).exists():
            return f"/usr/share/keyrings/{name}"
    return ""


def make(folder: Path) -> RealDebian:
    """Make the root in `folder`, or use the one made there within the last hours (about 30 s when made anew).

    Safe for tests that run side by side: the second waits for the first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _made(folder)


def _made(folder: Path) -> RealDebian:
    suites = own_suites()
    hosts = tuple(sorted({urllib.parse.urlsplit(site).netloc for site, *_ in suites}))
    done = folder / "upgradable.txt"
    if done.exists() and (folder / "root.tar").exists() and time.time() - done.stat().st_mtime < FRESH_FOR_S:
        return RealDebian(folder, hosts)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "image.sources").write_text(
        "\n".join(
            f"Types: deb\nURIs: {site}\nSuites: {suite}\nComponents: {component}\nSigned-By: {keyring}\n"
            for site, suite, component, keyring in suites
        )
    )
    hook = folder / "hook.sh"
    hook.write_text(HOOK)
    site, suite, component, _ = suites[0]
    subprocess.run(["apt-get", "-q", "update"], check=True, capture_output=True, timeout=GIVE_UP_AFTER_S)
    made = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--customize-hook=sh {hook} \"$1\" {folder}",
            suite, str(folder / "making.tar"), f"deb {site} {suite} {component}",
        ],
        capture_output=True,
        text=True,
        timeout=GIVE_UP_AFTER_S,
        check=False,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"mmdebstrap failed:\n{made.stdout[-2000:]}\n{made.stderr[-2000:]}")
    (folder / "making.tar").rename(folder / "root.tar")
    return RealDebian(folder, hosts)


@contextmanager
def serve(real: RealDebian) -> Iterator[str]:
    """Serve what apt fetched, by the URIs it fetched it from: `http://HOST/path` lies at `<base>/HOST/path`.

    Yields:
        The base URL, on loopback.
    """
    lists = {path.name: path for path in (real.folder / "lists").iterdir() if path.is_file()}
    by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in lists.values()}
    debs = {}
    for line in (real.folder / "uris.txt").read_text().splitlines():
        if match := re.match(r"'https?://([^']+)' (\S+) \d+", line):
            debs["/" + urllib.parse.unquote(match[1])] = real.folder / "debs" / match[2]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urllib.parse.unquote(self.path)
            name = urllib.parse.quote(path.lstrip("/"), safe=SAFE).replace("/", "_")
            found = lists.get(name) or by_hash.get(path.rpartition("/by-hash/SHA256/")[2])
            found = found or debs.get(path)
            content = found.read_bytes() if found and found.exists() else b"no such file\n"
            self.send_response(200 if found and found.exists() else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def configuration(real: RealDebian, base: str, folder: Path) -> Path:
    """A configuration file that has affineur ask loopback only: the image's hosts are mapped to `base`."""
    mirrors = "".join(f'[[mirror]]\nfrom = "http://{host}"\nto = "{base}/{host}"\n' for host in real.hosts)
    mirrors += "".join(f'[[mirror]]\nfrom = "https://{host}"\nto = "{base}/{host}"\n' for host in real.hosts)
    file = folder / "config.toml"
    file.write_text(
        f'cache = "{folder / "cache"}"\n[network]\nallow = ["127.0.0.0/8"]\n[feeds]\nosv = "{base}/notices"\n'
        f'unfixed.debian = ""\n{mirrors}'
    )
    return file
