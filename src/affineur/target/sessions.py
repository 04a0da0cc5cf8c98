"""Upload sessions that outlive a call, so that an upload which was broken off goes on where it stopped."""

from typing import Protocol

__all__ = ["ForgetfulSessions", "Sessions"]


class Sessions(Protocol):
    """Remembers the Location of sessions; it may hold a registry's secrets. Safe for several threads.

    `place` is the URL of a repository and the digest of the blob: what is sent there is the same from any source.
    """

    def recall(self, place: str) -> str | None:
        """The URL of a session that nobody uses any more; it is this call's from now on."""
        ...

    def keep(self, place: str, location: str) -> None:
        """This call uses a session."""
        ...

    def forget(self, place: str) -> None:
        """The session has ended, or is lost."""
        ...


class ForgetfulSessions:
    """Remembers nothing. See `Sessions` for the contract."""

    def recall(self, place: str) -> str | None:
        """See `Sessions`."""
        return None

    def keep(self, place: str, location: str) -> None:
        """See `Sessions`."""

    def forget(self, place: str) -> None:
        """See `Sessions`."""
