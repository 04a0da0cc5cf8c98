"""The data files that ship with this room: part of the program, like its code, and read through its loader."""

import pkgutil

__all__ = ["shipped"]


def shipped(name: str) -> str:
    """The text of a data file beside this module."""
    content = pkgutil.get_data(__name__, name)
    if content is None:  # a loader that has code and no data
        raise FileNotFoundError(f"{name} is missing from the installation of affineur")
    return content.decode()
