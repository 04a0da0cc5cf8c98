"""Which proxy the environment names for a URL. Conventions of curl and Go: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

Upper or lower case; upper-case HTTP_PROXY is not read where REQUEST_METHOD is set (a CGI script's environment, in which
a request's `Proxy:` header would choose the proxy: httpoxy). This machine is never asked through a proxy.
"""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from affineur.errors import InvalidSettings
from affineur.http.addresses import Reach, literal, reach_of

__all__ = ["Proxy", "proxy_for"]

_PORTS = {"http": 80, "https": 443}  # Go's; curl's default of 1080 is the SOCKS port


class Proxy(msgspec.Struct, frozen=True):
    """A proxy: `http`, or `https` where TLS is spoken to the proxy itself.

    Attributes:
        variable: which one of the environment named it.
        login: the value of Proxy-Authorization, or "".
    """

    scheme: str
    host: str
    port: int
    variable: str
    login: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self})"

    def __str__(self) -> str:
        """Without the login, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What logs in."""
        return {"Proxy-Authorization": self.login} if self.login else {}


def proxy_for(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy, or None to connect directly. Raises InvalidSettings for one that cannot be used."""
    if _is_here(host):
        return None
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environment:
        names = [name for name in names if name != "HTTP_PROXY"]
    variable = next((name for name in names if environment.get(name)), None)
    if variable is None or _excluded(host, port, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None
    return _parsed(environment[variable], variable, host)


def _is_here(host: str) -> bool:
    address = literal(host)
    if address is not None:
        return reach_of(address) is Reach.LOOPBACK
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")  # RFC 6761 § 6.3


def _parsed(text: str, variable: str, asked: str) -> Proxy:
    # A URL that cannot be read is not shown: its login would be.
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidSettings(
            f"{variable}: not a usable URL (http://[NAME:PASSWORD@]HOST:PORT; a / or @ in them is written %2F, %40)"
        ) from None
    if parts.scheme not in _PORTS or not host:
        kind = "a SOCKS proxy" if parts.scheme.startswith("socks") else f"a proxy of the kind {parts.scheme!r}"
        raise InvalidSettings(
            f"{variable}: {kind} cannot be used: name an http:// or https:// proxy, or put {asked} into NO_PROXY"
        )
    login = ""
    if parts.username is not None:
        from base64 import b64encode

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = "Basic " + b64encode(pair.encode()).decode()
    return Proxy(parts.scheme, host, port or _PORTS[parts.scheme], variable, login)


def _excluded(host: str, port: int, no_proxy: str) -> bool:
    import ipaddress

    name, address = host.lower().strip("[]").rstrip("."), literal(host)
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        if not entry:
            continue
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except (ValueError, TypeError):
                pass
        bare, _, entry_port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        suffix = bare.lstrip("*").lstrip(".")
        if entry_port and entry_port != str(port):
            continue
        if suffix and (name == suffix or name.endswith("." + suffix)):
            return True
    return False
