"""apk's side of the world: RSA keys, records and indexes as abuild and apk make them, and a server for them.

    with Repositories() as served:
        served.publish("alpine/v3.16/main", [record("busybox", "1.35.0-r17")], description="v3.16.3-13-g4d933a1fa3")
        served.url  # "http://127.0.0.1:…", served.key.pem for the image's etc/apk/keys/<served.key.name>

Keys are made here, by the plainest means: they protect nothing.
"""

import base64
import functools
import gzip
import hashlib
import http.server
import io
import random
import tarfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

__all__ = ["Key", "Repositories", "packed_index", "record", "signed_index"]

_INFO = {
    "RSA": ("sha1", "3021300906052b0e03021a05000414"),
    "RSA256": ("sha256", "3031300d060960864801650304020105000420"),
    "RSA512": ("sha512", "3051300d060960864801650304020305000440"),
}
_SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


class Key:
    """An RSA key of 2048 bits; those of one number are equal."""

    def __init__(self, number: int = 1, name: str = "") -> None:
        self.name = name or f"test-{number}.rsa.pub"
        self.n, self.d = _numbers(number)

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo (RFC 5280 § 4.1.2.7)."""
        numbers = _der(0x30, _integer(self.n) + _integer(65537))
        return _der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + _der(0x03, b"\0" + numbers))

    @property
    def pem(self) -> bytes:
        """As in etc/apk/keys."""
        text = base64.b64encode(self.der).decode()
        lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
        return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n".encode()

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    def sign(self, content: bytes, algorithm: str = "RSA") -> bytes:
        """RFC 8017 § 8.2.1."""
        name, prefix = _INFO[algorithm]
        told = bytes.fromhex(prefix) + hashlib.new(name, content).digest()
        encoded = b"\0\1" + b"\xff" * (253 - len(told)) + b"\0" + told
        return pow(int.from_bytes(encoded, "big"), self.d, self.n).to_bytes(256, "big")


def record(name: str, version: str, built: int = 1_650_000_000, *, origin: str = "", more: str = "") -> str:
    """A record of an APKINDEX."""
    return (
        f"C:Q1{base64.b64encode(hashlib.sha1(f'{name}{version}'.encode()).digest()).decode()}\nP:{name}\nV:{version}\n"
        f"A:x86_64\nS:1000\nI:4000\nT:what {name} is\nU:https://example.org\nL:MIT\no:{origin or name}\n"
        f"t:{built}\nc:0000\n{more}"
    )


def packed_index(records: Sequence[str], description: str = "test") -> bytes:
    """The part that is signed: DESCRIPTION and APKINDEX."""
    text = "\n".join(records) + "\n"
    return gzip.compress(_tar({"DESCRIPTION": description.encode(), "APKINDEX": text.encode()}, end=True), mtime=0)


def signed_index(content: bytes, *signers: Key, algorithm: str = "RSA") -> bytes:
    """Signatures before what they are of."""
    files = {f".SIGN.{algorithm}.{key.name}": key.sign(content, algorithm) for key in signers}
    return gzip.compress(_tar(files, end=False), mtime=0) + content


class Repositories:
    """Serves `files`, path without its first slash → bytes; `requests` are the paths that were asked for."""

    def __init__(self, key: Key | None = None) -> None:
        self.key = key or Key()
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                outer.requests.append(path)
                body = outer.files.get(path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def publish(
        self,
        path: str,
        records: Sequence[str],
        *,
        description: str = "test",
        signers: Sequence[Key] | None = None,
        algorithm: str = "RSA",
        architecture: str = "x86_64",
    ) -> None:
        """Serve an index at `<path>/<architecture>/APKINDEX.tar.gz`."""
        content = packed_index(records, description)
        keys = [self.key] if signers is None else signers
        self.files[f"{path}/{architecture}/APKINDEX.tar.gz"] = signed_index(content, *keys, algorithm=algorithm)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _tar(files: dict[str, bytes], *, end: bool) -> bytes:
    """With or without the end mark: the signatures are only the beginning of an archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        size = archive.offset
    return out.getvalue() if end else out.getvalue()[:size]


@functools.cache
def _numbers(seed: int) -> tuple[int, int]:
    """(modulus, private exponent)."""
    source = random.Random(seed)
    p, q = _prime(source), _prime(source)
    return p * q, pow(65537, -1, (p - 1) * (q - 1))


def _prime(source: random.Random) -> int:
    while True:
        number = source.getrandbits(1024) | 3 << 1022 | 1
        if number % 65537 != 1 and all(number % small for small in _SMALL) and pow(2, number - 1, number) == 1:
            return number


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = (
        bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    )
    return bytes([tag]) + length + content


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
