"""An apt archive on loopback, signed with a fresh key, that can be told to misbehave.

    with Archive() as archive:
        archive.suite("stable", {"main": [stanza("hello", "1.0-1")]}, origin="Test")
        archive.url  # "http://127.0.0.1:…/", for a line `deb [signed-by=…] <url> stable main`
        archive.key.armored  # for the image's keyring

What it serves is in `archive.files`, path below the root → bytes; every request is in `archive.requests`. Misbehaviour
is a change of `files`, or of the arguments of `suite` (`signers`, `date`, `valid_until`, `digests`, `by_hash`).
Keys are made by Sequoia, in memory; `GnupgKey` makes the odd ones (weak, expired, revoked) and needs the program gpg.
"""

import gzip
import hashlib
import http.server
import lzma
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pysequoia
from pysequoia.packet import PacketPile, Tag

__all__ = ["Archive", "GnupgKey", "Key", "Signer", "cleartext", "detached", "stanza"]


class Signer(Protocol):
    """Whoever can sign a Release file."""

    @property
    def certificate(self) -> bytes:
        """The public key, binary: a keyring of one."""
        ...

    def clear(self, text: bytes) -> bytes:
        """A cleartext-signed message."""
        ...

    def detach(self, text: bytes) -> bytes:
        """A detached signature, armored."""
        ...


class Key:
    """A fresh Ed25519 key with a signing subkey, as archives use them."""

    def __init__(self, name: str = "Archive <ftpmaster@archive.example>") -> None:
        self._secret = pysequoia.Tsk.generate(name)
        self.certificate = bytes(self._secret.extract_certificate())
        self.armored = str(self._secret.extract_certificate())
        self.fingerprint = self._secret.extract_certificate().fingerprint.upper()

    def clear(self, text: bytes) -> bytes:
        return pysequoia.sign(self._secret.signer(), text, mode=pysequoia.SignatureMode.CLEAR)

    def detach(self, text: bytes) -> bytes:
        return pysequoia.sign(self._secret.signer(), text, mode=pysequoia.SignatureMode.DETACHED)


class GnupgKey:
    """A key made by gpg in a private home, which may be weak, expired or revoked. Close it, or use it in `with`.

    Args:
        algorithm: gpg's words: `ed25519`, `rsa2048`, `rsa1024`, `dsa1024`.
        digest: of the signatures, e.g. `SHA1`; gpg's own choice where not given.
        made: when the key and its signatures claim to be made (`YYYYMMDDTHHMMSS`); now where not given.
        life: gpg's words for how long the key lives (`never`, `seconds=86400`).
        certified: digest of the key's own self-signature, where not `digest`.
        subkey_life: where given, a signing subkey that lives so long signs instead of the primary key.
    """

    def __init__(
        self,
        algorithm: str = "ed25519",
        digest: str | None = None,
        made: str | None = None,
        life: str = "never",
        certified: str | None = None,
        subkey_life: str | None = None,
    ) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="affineur-gnupg-")
        self._options = ["--faked-system-time", made] if made else []
        self._signing = ["--digest-algo", digest, "--personal-digest-preferences", digest] if digest else []
        certifying = ["--cert-digest-algo", certified or digest or ""] if certified or digest else []
        self._run(*certifying, "--quick-generate-key", "Odd <odd@archive.example>", algorithm, "sign", life)
        listing = self._run("--with-colons", "--list-keys").decode().splitlines()
        self.fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
        if subkey_life:
            self._run("--quick-add-key", self.fingerprint, algorithm, "sign", subkey_life)
        self.certificate = self._run("--export")

    def revoked(self) -> bytes:
        """The certificate with its revocation, which gpg makes beside each key."""
        certificate = Path(self._home.name, "openpgp-revocs.d", f"{self.fingerprint}.rev")
        self._run("--import", stdin=certificate.read_bytes().replace(b"\n:-----BEGIN", b"\n-----BEGIN"))
        return self._run("--export")

    def clear(self, text: bytes) -> bytes:
        return self._run(*self._signing, "--clearsign", stdin=text)

    def clear_now(self, text: bytes, digest: str) -> bytes:
        """A cleartext-signed message of today, by a key of another day."""
        return self._run("--digest-algo", digest, "--clearsign", stdin=text, at_its_time=False)

    def detach(self, text: bytes) -> bytes:
        return self._run(*self._signing, "--armor", "--detach-sign", stdin=text)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self._home.name, "--kill", "all"], check=True)
        self._home.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, *arguments: str, stdin: bytes = b"", at_its_time: bool = True) -> bytes:
        command = ["gpg", "--homedir", self._home.name, "--batch", "--quiet", "--no-tty", "--passphrase", ""]
        command += ["--pinentry-mode", "loopback", *(self._options if at_its_time else []), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def cleartext(text: bytes, signers: Sequence[Signer]) -> bytes:
    """One cleartext-signed message with a signature of each signer, as archives in a key change have it."""
    messages = [signer.clear(text.rstrip(b"\n") if len(signers) > 1 else text) for signer in signers]
    if len(messages) == 1:
        return messages[0]
    hashes = dict.fromkeys(line for message in messages for line in message.split(b"\n\n")[0].split(b"\n")[1:])
    begin, _, rest = messages[0].partition(b"\n")
    body = rest[rest.index(b"\n\n") : rest.index(b"-----BEGIN PGP SIGNATURE-----")]
    blocks = [message[message.index(b"-----BEGIN PGP SIGNATURE-----") :] for message in messages]
    return begin + b"\n" + b"\n".join(hashes) + body + _together(blocks)


def detached(text: bytes, signers: Sequence[Signer]) -> bytes:
    """One armored block with a detached signature of each signer."""
    return _together([signer.detach(text) for signer in signers])


def _together(blocks: Iterable[bytes]) -> bytes:
    packets = [p for block in blocks for p in PacketPile.from_bytes(block) if p.tag == Tag.Signature]
    return pysequoia.armor(b"".join(bytes(packet) for packet in packets), pysequoia.ArmorKind.Signature).encode()


def stanza(name: str, version: str, architecture: str = "amd64", **fields: object) -> str:
    """One stanza of a Packages index; underscores in field names become hyphens, `Filename` and hashes are made up."""
    told = {"Package": name, "Version": version, "Architecture": architecture, "Maintainer": "A <a@archive.example>"}
    told |= {"Filename": f"pool/{name}_{version.partition(':')[2] or version}_{architecture}.deb", "Size": "1000"}
    told |= {"SHA256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(), "Description": name}
    told |= {field.replace("_", "-"): str(value) for field, value in fields.items()}
    return "".join(f"{field}: {value}\n" for field, value in told.items())


class Archive:
    """The archive and its server; a context manager.

    Attributes:
        url: of the root, with a trailing slash.
        key: signs whatever names no other signers.
        files: path below the root → what is served there. Change it at will.
        statuses: path → an HTTP status to answer with instead.
        redirects: path → where to send the asker instead.
        requests: the paths asked for, in order; `seen_headers` those requests' headers.
    """

    def __init__(self) -> None:
        self.key = Key()
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[str] = []
        self.seen_headers: list[dict[str, str]] = []
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def suite(
        self,
        name: str,
        packages: Mapping[str, Sequence[str]],
        *,
        signers: Sequence[Signer] | None = None,
        architectures: Sequence[str] = ("amd64",),
        date: datetime | None = None,
        valid_until: datetime | None = None,
        by_hash: bool = True,
        compressions: Sequence[str] = ("xz", "gz", ""),
        digests: Sequence[str] = ("SHA256",),
        inline: bool = True,
        below: str = "",
        **fields: str | None,
    ) -> bytes:
        """Publish a suite (again), and return the text of its Release.

        Args:
            name: of the folder below `dists/`; with a trailing slash a flat repository in that folder.
            packages: component, or `component/architecture`, → stanzas. A bare component serves every architecture.
            signers: of the Release; the archive's own key where not given, nobody where empty.
            date: of the Release; an hour ago where not given.
            valid_until: left out where not given.
            compressions: of the indexes, which are both listed and served.
            digests: the Release's hash fields (`MD5Sum`, `SHA1`, `SHA256`, `SHA512`).
            inline: InRelease; if not, Release and Release.gpg.
            below: a folder of the archive in which `dists/` lies ("debian/"), where not its root.
            fields: of the Release, lower case with underscores (`origin=`, `acquire_by_hash=`); None leaves one out.
        """
        flat = name.endswith("/")
        folder = f"{below}{name.removeprefix('./').lstrip('/')}" if flat else f"{below}dists/{name}/"
        indexes: dict[str, bytes] = {}
        for component, stanzas in packages.items():
            for path in _index_paths(component, architectures, flat):
                indexes[path] = "\n".join(stanzas).encode()
        listed = {f"{p}{'.' + c if c else ''}": _compress(b, c) for p, b in indexes.items() for c in compressions}
        told = {"Origin": "Test", "Label": "Test", "Suite": name, "Codename": name}
        told["Date"] = _stamp(date or datetime.now(UTC) - timedelta(hours=1))
        told |= {"Valid-Until": _stamp(valid_until)} if valid_until else {}
        told |= {"Acquire-By-Hash": "yes"} if by_hash else {}
        told |= {"Architectures": " ".join(architectures)}
        told |= {} if flat else {"Components": " ".join(dict.fromkeys(name.partition("/")[0] for name in packages))}
        for field, value in fields.items():
            key = "-".join(part.capitalize() for part in field.split("_"))
            told.pop(key, None)
            told |= {} if value is None else {key: value}
        lines = [f"{field}: {value}" for field, value in told.items()]
        for digest in digests:
            lines.append(f"{digest}:")
            lines += [f" {_digest(digest, body)} {len(body):>16} {path}" for path, body in listed.items()]
        text = "\n".join(lines).encode() + b"\n"
        for path, body in listed.items():
            self.files[folder + path] = body
            if by_hash:
                parent = path.rpartition("/")[0]
                for digest in digests:
                    hashed = f"by-hash/{digest}/{_digest(digest, body)}"
                    self.files[folder + (f"{parent}/" if parent else "") + hashed] = body
        self.sign(folder, text, (self.key,) if signers is None else signers, inline=inline)
        return text

    def sign(self, folder: str, text: bytes, signers: Sequence[Signer], *, inline: bool = True) -> None:
        """Serve a Release's text in a folder (`dists/stable/`), signed; unsigned (plain Release) if by nobody."""
        for name in ("InRelease", "Release", "Release.gpg"):
            self.files.pop(folder + name, None)
        if inline and signers:
            self.files[f"{folder}InRelease"] = cleartext(text, signers)
            return
        self.files[f"{folder}Release"] = text
        if signers:
            self.files[f"{folder}Release.gpg"] = detached(text, signers)

    def count(self, ending: str) -> int:
        """How often something whose path ends so was asked for."""
        return sum(path.endswith(ending) for path in self.requests)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _index_paths(component: str, architectures: Sequence[str], flat: bool) -> list[str]:
    if flat:
        return ["Packages"]
    name, _, architecture = component.partition("/")
    named = [architecture] if architecture else architectures
    return [f"{name}/binary-{each}/Packages" for each in named]


def _compress(body: bytes, compression: str) -> bytes:
    if compression == "xz":
        return lzma.compress(body)
    return gzip.compress(body, mtime=0) if compression == "gz" else body


def _digest(field: str, body: bytes) -> str:
    return hashlib.new({"MD5Sum": "md5"}.get(field, field.lower()), body).hexdigest()


def _stamp(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True).replace("GMT", "UTC")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, archive: Archive) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.archive = archive


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        archive = self.server.archive
        archive.requests.append(path)
        archive.seen_headers.append(dict(self.headers.items()))
        body = archive.files.get(path)
        status = archive.statuses.get(path) or (302 if path in archive.redirects else 200 if body is not None else 404)
        if status != 200 or body is None:
            body = b""
        self.send_response(status)
        if path in archive.redirects:
            self.send_header("Location", archive.redirects[path])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""
