"""containerd by its own client, ctr: the image by its digest, its manifest's bytes read back and hashed here.

ctr is for debugging, and says so; it has no JSON, reads no logins and no registries.conf. `ctr --help` and
containerd's docs/hosts.md.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from affineur.engines.docker import COPYING_DRIVERS
from affineur.engines.engine import Access, EngineFailed, Landed, Shown, Storage, Wanted
from affineur.engines.running import Program
from affineur.errors import ContentError
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES
from affineur.source.configuration.certificates import read_folder

__all__ = ["Containerd"]

DEFAULT_SNAPSHOTTER = "overlayfs"
"""Of ctr and of containerd on Linux."""
CONTENT = "io.containerd.content.v1"

_STATE = re.compile(r"([^\s:|]+(?::[^\s:|]+)*):\s+([a-z]+)\s*\|")
"""`layer-sha256:…:    done    |+++++|`, one line for each thing that is fetched, again and again."""
_VERSION = re.compile(r"^Server:\s*\n\s+Version:\s+(\S+)", re.MULTILINE)


class Containerd:
    """ctr, in the namespace that $CONTAINERD_NAMESPACE names (else `default`). See `Engine` for the contract."""

    name = "ctr"

    def __init__(self, program: Program, environment: Mapping[str, str]) -> None:
        """Asks whether containerd answers. Raises EngineFailed: it does not."""
        self._program = program
        self._snapshotter = environment.get("CONTAINERD_SNAPSHOTTER") or DEFAULT_SNAPSHOTTER
        said = program.answer("version").decode("utf-8", errors="replace")
        found = _VERSION.search(said)
        self.version = found[1][:100] if found else ""

    @property
    def program(self) -> Path:
        """See `Engine`."""
        return self._program.path

    def cannot(self, access: Access) -> Sequence[str]:
        """See `Engine`."""
        said = []
        if access.authfile is not None:
            said.append("--authfile: it reads no logins, and asks without one")
        if access.cert_dir is not None and not _certificates(access.cert_dir):
            said.append("--cert-dir: it takes one *.crt and one pair of *.cert and *.key, and this folder has others")
        if access.mapped:
            said.append("mirrors by URL: it asks the registry itself, or what --hosts-dir says")
        if access.configured:
            said.append("registries.conf: it does not read it, and asks the registry itself")
        return said

    def pull_words(self, wanted: Wanted, access: Access) -> tuple[str, ...]:
        """See `Engine`."""
        options = [f"--platform={wanted.platform}"] if wanted.platform else []
        if access.plain:
            options.append("--plain-http")
        elif not access.tls_verify:
            options.append("--skip-verify")
        if access.cert_dir is not None:
            options += _certificates(access.cert_dir)
        return ("ctr", "images", "pull", *options, "--", wanted.exact)

    def pull(self, wanted: Wanted, access: Access, shown: Shown) -> None:
        """See `Engine`. Only what becomes of each thing is passed on: it draws its whole table ten times a second."""
        states: dict[str, str] = {}

        def told(line: str) -> str:
            found = _STATE.search(line)
            if found is None:
                return "" if line.startswith("elapsed:") else line
            if states.get(found[1]) == found[2]:
                return ""
            states[found[1]] = found[2]
            return f"{found[1]}: {found[2]}"

        self._program.work(self.pull_words(wanted, access)[1:], shown, told)

    def landed(self, name: str) -> Landed | None:
        """See `Engine`. The manifest is read back and hashed: what has its digest is it."""
        found = [row for row in self._rows(name) if row[0] == name]
        if not found:
            return None
        digest = found[0][2]
        content = self._program.answer("content", "get", "--", digest)
        if len(content) > MAX_DOCUMENT_BYTES:
            raise EngineFailed(f"ctr content get: a manifest of more than {MAX_DOCUMENT_BYTES} bytes")
        try:
            hasher = Digest(digest).hasher()
        except ContentError as problem:
            raise EngineFailed(f"ctr images ls: {digest[:100]!r} is no digest that can be checked") from problem
        hasher.update(content)
        # platform and layers follow from the manifest's bytes, so nothing is asked about them
        return Landed(digest, frozenset({f"{hasher.name}:{hasher.hexdigest()}"}))

    def tag(self, wanted: Wanted, landed: Landed) -> None:
        """See `Engine`."""
        self._program.answer("images", "tag", "--force", "--", wanted.exact, wanted.tagged)

    def storage(self) -> Storage:
        """See `Engine`."""
        try:
            said = self._program.answer("plugins", "ls", "--detailed").decode("utf-8", errors="replace")
        except EngineFailed as problem:
            return Storage(None, why=str(problem))
        for block in re.split(r"\n(?=Type:)", said):
            if re.search(rf"^Type:\s+{re.escape(CONTENT)}\s*$", block, re.MULTILINE):
                root = re.search(r"^\s+root\s+(/\S.*?)\s*$", block, re.MULTILINE)
                if root:
                    return Storage(Path(root[1]), copies=self._snapshotter in COPYING_DRIVERS)
        return Storage(None, why="ctr does not say where containerd keeps its content")

    def layers_there(self, diff_ids: Sequence[str], blobs: Sequence[str]) -> frozenset[int]:
        """See `Engine`: those whose blobs it has; it keeps a blob as long as an image has it."""
        try:
            listed = self._program.answer("content", "ls", "--quiet").decode("ascii", errors="replace").split()
        except EngineFailed:
            return frozenset()
        there = set(listed)
        return frozenset(number for number, blob in enumerate(blobs) if blob in there)

    def _rows(self, name: str) -> list[list[str]]:
        """Name, media type and digest of each image; none of them has spaces in it."""
        said = self._program.answer("images", "ls", "--", f'name=="{name}"').decode("utf-8", errors="replace")
        rows = (line.split() for line in said.splitlines()[1:])
        return [words[:3] for words in rows if len(words) >= 3]


def _certificates(folder: Path) -> list[str]:
    """Its options for a folder of certificates; none where there are others than it can be told of.

    Raises InvalidSettings.
    """
    found = read_folder(folder)
    if len(found.authorities) > 1 or len(found.pairs) > 1 or not (found.authorities or found.pairs):
        return []
    options = [f"--tlscacert={each}" for each in found.authorities]
    for certificate, key in found.pairs:
        options += [f"--tlscert={certificate}", f"--tlskey={key}"]
    return options
