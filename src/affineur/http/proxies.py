"""Which proxy the environment names for a URL. Conventions of curl and Go: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

Upper or lower case; upper-case HTTP_PROXY is not read where REQUEST_METHOD is set (a CGI script's environment, in which
a request's `Proxy:` header would choose the proxy: httpoxy). This machine is never asked through a proxy.
"""

from collections.abc import Mapping

from affineur.http.addresses import Reach, literal, reach_of

__all__ = ["proxy_for"]


def proxy_for(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> str | None:
    """The proxy's URL, or None to connect directly."""
    address = literal(host)
    if host.lower() == "localhost" or (address is not None and reach_of(address) is Reach.LOOPBACK):
        return None
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environment:
        names = [name for name in names if name != "HTTP_PROXY"]
    found = next((environment[name] for name in names if environment.get(name)), None)
    if found is None or _excluded(host, port, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None
    return found if "://" in found else f"http://{found}"


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
