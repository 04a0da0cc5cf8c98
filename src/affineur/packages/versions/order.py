"""Which order versions have, by the package manager whose they are."""

from collections.abc import Callable
from typing import Any

from affineur.packages.versions import apk, deb, rpm

__all__ = ["Order", "order_of"]

Order = Callable[[str], Any]
"""Gives a key that sorts where the manager sorts the version; equal for versions that it holds equal. Never raises."""

_ORDERS: dict[str, Order] = {"apk": apk.key, "dpkg": deb.key, "rpm": rpm.key}


def order_of(manager: str) -> Order:
    """The order of a manager's versions (`Package.manager`)."""
    return _ORDERS[manager]
