"""Why TLS failed, whose certificate it was, and what can be done about it.

The numbers are OpenSSL's: X509_STORE_CTX_get_error(3) for certificates, SSL_get_error(3)'s reasons for the rest.
"""

import ssl

from affineur.errors import Denied, SourceError, Unreachable

__all__ = ["certificate_refused", "place", "tls_failed"]

_TIME = "its operator must renew it, unless this machine's clock is wrong"
_REPLACE = "its operator must replace it"
_TRUST = "TRUST"
_NAME = "ask that host by a name that the certificate is for"

_CERTIFICATE = {
    2: ("its issuer is not known", _TRUST),
    7: ("its signature is wrong", _REPLACE),
    9: ("it is not valid yet", _TIME),
    10: ("it has expired", _TIME),
    18: ("it is signed by itself, and not among those trusted", _TRUST),
    19: ("it comes from an authority that is not among those trusted", _TRUST),
    20: ("its issuer is not among those trusted", _TRUST),
    21: ("its issuer is not among those trusted", _TRUST),
    24: ("its issuer is no authority", _REPLACE),
    26: ("it is not for servers", _REPLACE),
    62: ("it is for other names", _NAME),
    64: ("it is for other names", _NAME),
    66: ("its key is too weak", _REPLACE),
    67: ("its authority's key is too weak", _REPLACE),
    68: ("it is signed by a weak hash", _REPLACE),
}
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
_TOO_OLD = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "VERSION_TOO_LOW")
_WANTS_OURS = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED")
_REFUSES_OURS = (
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "TLSV1_ALERT_UNKNOWN_CA",
    "TLSV1_ALERT_ACCESS_DENIED",
    "TLSV1_ALERT_DECRYPT_ERROR",
)


def place(host: str, port: int) -> str:
    """`registry.example`, `registry.example:5000`, `[::1]:5000`: as in a URL, and as certs.d names its folders."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port == 443 else f"{shown}:{port}"


def certificate_refused(problem: ssl.SSLCertVerificationError, where: str, shown: str) -> Unreachable:
    """Args: where: what `place` returned; shown: what `certificate.described` returned."""
    reason, advice = _CERTIFICATE.get(problem.verify_code, ("it was not verified", _REPLACE))
    if advice is _TRUST:
        advice = (
            f"put its authority into ~/.config/containers/certs.d/{where}/ca.crt, or into a folder for --cert-dir;"
            " or the server fails to send the certificates in between"
        )
    return Unreachable(
        f"{where}: its certificate{' ' if shown else ''}{shown} is not accepted: {reason}"
        f' ("{problem.verify_message}"): {advice}; --tls-verify=false accepts any certificate of a registry'
    )


def tls_failed(problem: ssl.SSLError, where: str, shows_ours: bool) -> SourceError:
    """Any other failure. Args: shows_ours: whether we have a client certificate for that host."""
    reason = problem.reason or str(problem)
    if reason in _NO_TLS:
        return Unreachable(
            f"{where}: what answers there speaks no TLS ({reason}), perhaps plain HTTP: check the port;"
            " a registry without TLS needs --tls-verify=false, or insecure = true in registries.conf"
        )
    if reason in _TOO_OLD:
        return Unreachable(f"{where}: the server is too old: it speaks no TLS 1.2 or newer ({reason})")
    ours = f"~/.config/containers/certs.d/{where}/client.cert with client.key, or a folder for --cert-dir"
    if reason in _WANTS_OURS or (reason == "SSLV3_ALERT_HANDSHAKE_FAILURE" and not shows_ours):
        maybe = "wants" if reason in _WANTS_OURS else "ended the handshake; perhaps it wants"
        return Denied(f"{where}: the server {maybe} a client certificate ({reason}): put one into {ours}")
    if reason in _REFUSES_OURS:
        if shows_ours:
            return Denied(f"{where}: the server does not accept our client certificate ({reason}): see {ours}")
        return Denied(f"{where}: the server refuses us ({reason}): it may want a client certificate, in {ours}")
    return Unreachable(f"{where}: TLS failed ({reason})")
