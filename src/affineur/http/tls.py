"""TLS settings: which authorities are trusted beside the system's, and which client certificate is shown, by host.

The system's trust store is the one that OpenSSL was built to use, or those that SSL_CERT_FILE and SSL_CERT_DIR name
(SSL_CTX_set_default_verify_paths(3)). Whether a certificate was revoked is not looked up: neither do the engines.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from affineur.errors import InvalidSettings

__all__ = ["HostTls", "TlsRule", "context", "unverified"]

_ELSEWHERE = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Debian's, Fedora's and Alpine's trust stores, for an OpenSSL that was built on another system."""


class HostTls(msgspec.Struct, frozen=True):
    """What holds for one host. Values that are equal share a context, and only they share connections.

    Attributes:
        verify: whether certificate and host name are checked.
        authorities: PEM files whose certificates are trusted beside the system's.
        pairs: client certificates with their keys (PEM files). OpenSSL offers one for each kind of key, the last.
    """

    verify: bool = True
    authorities: tuple[Path, ...] = ()
    pairs: tuple[tuple[Path, Path], ...] = ()

    def led_to_by(self, leader: "HostTls") -> "HostTls":
        """What holds for this host when another one led here (a redirect, a token service).

        As with containers/image, the leader's authorities are trusted, and where it is not verified neither is this
        host: it chose it. Unlike there, its client certificate is not shown to others.
        """
        more = tuple(file for file in leader.authorities if file not in self.authorities)
        return HostTls(self.verify and leader.verify, self.authorities + more, self.pairs)


TlsRule: TypeAlias = Callable[[str, int, bool], HostTls]
"""Host (lower case), port, whether it is a registry that the user named → what holds for it.

Raises InvalidSettings where its files cannot be used.
"""


def context(settings: HostTls) -> ssl.SSLContext:
    """A client context: TLS 1.2 or newer. Raises InvalidSettings where a file is unusable."""
    made = unverified()
    if settings.verify:
        made.verify_mode = ssl.CERT_REQUIRED
        made.check_hostname = True
        _trust_the_systems(made)
    for file in settings.authorities:
        _load(file, lambda file=file: made.load_verify_locations(file))  # type: ignore[misc]
    for certificate, key in settings.pairs:
        _load(certificate, lambda pair=(certificate, key): made.load_cert_chain(*pair, password=_refused))  # type: ignore[misc]
    return made


def unverified() -> ssl.SSLContext:
    """A client context that accepts any certificate and shows none."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _trust_the_systems(made: ssl.SSLContext) -> None:
    named = os.environ.get("SSL_CERT_FILE")
    if named and not Path(named).is_file():  # OpenSSL would go on, and trust nobody
        raise InvalidSettings(f"SSL_CERT_FILE: {named}: there is no such file")
    made.load_default_certs()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        found = next((file for file in _ELSEWHERE if Path(file).is_file()), None)
        if found is not None:
            made.load_verify_locations(found)


def _load(file: Path, load: Callable[[], object]) -> None:
    try:
        load()
    except ssl.SSLError as problem:
        raise InvalidSettings(f"certificates: {file}: {_explained(problem)}") from problem
    except OSError as problem:
        raise InvalidSettings(f"certificates: {file}: {problem.strerror or problem}") from problem


def _explained(problem: ssl.SSLError) -> str:
    if problem.reason == "KEY_VALUES_MISMATCH":
        return "the key beside it is another certificate's"
    if problem.reason in ("NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", None) or "PEM" in str(problem):
        return f"no PEM certificate (or, for a client's, no key) could be read ({problem.reason or problem})"
    return problem.reason


def _refused() -> str:
    raise InvalidSettings("certificates: a client's key is protected by a passphrase: it cannot be used here")
