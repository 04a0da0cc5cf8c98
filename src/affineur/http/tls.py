"""TLS settings: the system's trust store, further authorities and client certificates from a folder.

The folder has the shape of `/etc/containers/certs.d/HOST` (containers-certs.d(5)): `*.crt` are authorities, `NAME.cert`
with `NAME.key` is a client certificate.
"""

import ssl
from pathlib import Path

from affineur.errors import InvalidSettings

__all__ = ["context"]


def context(*, verify: bool = True, cert_dir: Path | None = None) -> ssl.SSLContext:
    """A client context: TLS 1.2 or newer; certificate and host name checked unless `verify` is False.

    Raises InvalidSettings where the folder or a file in it is unusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if verify:
        made.load_default_certs()
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if cert_dir is not None:
        _load(made, cert_dir)
    return made


def _load(made: ssl.SSLContext, folder: Path) -> None:
    try:
        files = sorted(folder.iterdir())
    except OSError as problem:
        raise InvalidSettings(f"certificates: {folder}: {problem.strerror}") from problem
    for file in files:
        try:
            if file.suffix == ".crt":
                made.load_verify_locations(file)
            elif file.suffix == ".cert":
                key = file.with_suffix(".key")
                if not key.exists():
                    raise InvalidSettings(f"certificates: {file} has no {key.name} beside it")
                made.load_cert_chain(file, key)
        except (OSError, ssl.SSLError) as problem:
            raise InvalidSettings(f"certificates: {file}: {problem}") from problem
