"""Platforms: what a child of an index is built for, and which child is meant.

OCI image-spec 1.1, image-index.md § platform; variants as in that section's table. Names are Go's GOOS and GOARCH.
"""

import os
import re

import msgspec

from affineur.errors import InputError

__all__ = ["Platform", "default_platform", "parse_platform", "preference"]

_ARCHITECTURES = {
    "x86_64": ("amd64", None),
    "amd64": ("amd64", None),
    "aarch64": ("arm64", None),
    "arm64": ("arm64", None),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "i386": ("386", None),
    "i486": ("386", None),
    "i586": ("386", None),
    "i686": ("386", None),
    "ppc64le": ("ppc64le", None),
    "ppc64": ("ppc64", None),
    "s390x": ("s390x", None),
    "riscv64": ("riscv64", None),
    "loongarch64": ("loong64", None),
    "mips64": ("mips64le", None),
    "mips": ("mipsle", None),
}
"""`uname -m` to GOARCH and variant."""
_ALIASES = {name: goarch for name, (goarch, variant) in _ARCHITECTURES.items() if variant is None}
_PART = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_ORDER = {"arm": ("v8", "v7", "v6", "v5"), "amd64": ("v4", "v3", "v2", "v1"), "arm64": ("v9", "v8")}
"""Variants that run on the first-named hardware, best first."""
_BASELINE = {"amd64": "v1", "arm64": "v8"}
"""What an architecture without a variant means."""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """`os/architecture[/variant]`, with Windows' and others' further demands where an index states them."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    os_features: tuple[str, ...] | None = msgspec.field(default=None, name="os.features")

    def __str__(self) -> str:
        text = f"{self.os}/{self.architecture}"
        if self.variant:
            text += f"/{self.variant}"
        return text + (f" ({self.os_version})" if self.os_version else "")

    @property
    def is_unknown(self) -> bool:
        """Whether this is `unknown/unknown`, with which builders mark attestations in an index."""
        return self.os == "unknown" and self.architecture == "unknown"


def parse_platform(text: str) -> Platform:
    """`linux/arm64/v8`, `linux/amd64`, or an architecture alone (linux is meant). Raises InputError."""
    parts = text.split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InputError(f"not a platform: {text!r}; write os/architecture[/variant], such as linux/arm64/v8")
    if len(parts) == 1:
        parts.insert(0, "linux")
    system, architecture, *variant = (part.lower() for part in parts)
    return Platform(
        os=system, architecture=_ALIASES.get(architecture, architecture), variant=variant[0] if variant else None
    )


def default_platform() -> Platform:
    """Linux on this machine's architecture, whatever system this machine runs."""
    machine = os.uname().machine.lower()
    architecture, variant = _ARCHITECTURES.get(machine, (machine, None))
    return Platform(os="linux", architecture=architecture, variant=variant)


def preference(wanted: Platform, offered: Platform) -> int | None:
    """How well `offered` serves `wanted`: 0 is best, None is not at all.

    A machine that runs a variant runs its predecessors (arm v7 runs v6), never its successors; an index that states no
    variant means the baseline, and is the last choice among those that fit.
    """
    if (wanted.os, wanted.architecture) != (offered.os, offered.architecture):
        return None
    if wanted.os_version and offered.os_version and wanted.os_version != offered.os_version:
        return None
    if wanted.variant == offered.variant:
        return 0
    order = _ORDER.get(wanted.architecture, ())
    baseline = _BASELINE.get(wanted.architecture)
    if wanted.variant is None and baseline is None:
        return 1 + order[::-1].index(offered.variant) if offered.variant in order else 1
    have = wanted.variant or baseline
    need = offered.variant or baseline
    if need is None:
        return len(order) + 1
    if have not in order or need not in order or order.index(need) < order.index(have):
        return None
    return 1 + order.index(need) - order.index(have)
