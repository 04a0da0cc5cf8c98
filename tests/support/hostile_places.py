"""Where nobody is led by a registry: URLs, and the addresses that names turn out to have."""

import ipaddress
from urllib.parse import urlsplit

__all__ = ["INSIDE", "METADATA", "NAMES", "NO_PLACE", "check_witness"]

METADATA = (
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://169.254.1.1/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://metadata.example/",
    "http://metadata6.example/",
)
"""Link-local, metadata services, and what is no host at all: asked for nobody, by nobody."""

INSIDE = (
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1:8443/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://[fec0::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://intranet.example/",
    "http://127.0.0.1:PORT/",
    "http://127.8.9.10:PORT/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://localhost:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://myself.example:PORT/",
    "http://mixed.example:PORT/",
)
"""Private networks and this machine: not for a registry on the internet."""

NAMES = {
    "metadata.example": ["169.254.169.254"],
    "metadata6.example": ["fe80::1", "fd00:ec2::254"],
    "intranet.example": ["10.1.2.3"],
    "myself.example": ["127.0.0.1", "::1"],
    "mixed.example": ["169.254.169.254", "10.0.0.1", "127.0.0.1", "fd00::1"],
    "localhost": ["127.0.0.1"],
    "2130706433": ["127.0.0.1"],  # as inet_aton(3) reads them
    "0x7f.1": ["127.0.0.1"],
    "0177.0.0.1": ["127.0.0.1"],
    "127.1": ["127.0.0.1"],
}

NO_PLACE = (
    "file:///etc/passwd",
    "ftp://registry.example/x",
    "gopher://registry.example/x",
    "data:application/json,{}",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "http://",
    "http:///x",
    "//",
    "http://[::1",
    "http://[]/",
    "http://a b/",
    "http://registry.example:99999/",
    "http://registry.example:-1/",
    "http://registry.example:x/",
    "http://somebody:word@registry.example/x",
    "http://@registry.example/x",
    "http://regi\u00dftry.example/",
    "http://registry.example\\@elsewhere.example/",
    "http://registry.example/a b",
    "http://registry.example/\x7f",
)
"""No URL that anybody should ask."""


def check_witness() -> None:
    """What is listed above is not global by the standard library's table of IANA's registries."""
    for url in METADATA + INSIDE:
        host = urlsplit(url.replace(":PORT", "")).hostname or ""
        for text in NAMES.get(host, [host.partition("%")[0]]):
            address = ipaddress.ip_address(text)
            if text == "168.63.129.16":  # Azure's: global by its number, a metadata service by its use
                continue
            inner = [ipaddress.ip_address(int(address) & 0xFFFFFFFF)] if address.version == 6 else []
            if address.version == 6 and address.sixtofour:
                inner = [address.sixtofour]
            assert any(each.is_multicast or not each.is_global for each in (address, *inner)), url
