"""The tables that come with this room, read through the package loader (as from a wheel or a zip file)."""

import pkgutil

__all__ = ["data"]


def data(name: str) -> bytes:
    """Read a table by its file name. Raises FileNotFoundError where the installation lacks it."""
    content = pkgutil.get_data(__name__, name)
    if content is None:
        raise FileNotFoundError(f"{name}: this installation is incomplete")
    return content
