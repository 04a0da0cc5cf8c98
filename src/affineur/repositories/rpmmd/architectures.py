"""Which packages' architectures a system takes.

Source: libsolv's architecture policies and rpm's rpmrc (arch_compat); a system of 32 bits is taken for the best of its
family.
"""

__all__ = ["compatible"]

_COMPATIBLE = {
    "x86_64": ("x86_64", "i686", "i586", "i486", "i386"),
    "i386": ("i686", "i586", "i486", "i386"),
    "s390x": ("s390x", "s390"),
    "ppc64": ("ppc64", "ppc"),
    "armhfp": ("armv7hl", "armv6hl"),
    "arm": ("armv7l", "armv6l", "armv5tejl", "armv5tel", "armv5tl", "armv5l", "armv4tl", "armv4l", "armv3l"),
}


def compatible(basearch: str) -> tuple[str, ...]:
    """The architectures of packages for a base architecture ($basearch), the best first, and at last `noarch`."""
    return (*_COMPATIBLE.get(basearch, (basearch,)), "noarch")
