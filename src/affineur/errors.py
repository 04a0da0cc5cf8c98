"""Everything we raise on purpose, sorted by what the caller can do about it.

Error
├── InputError (a ValueError)  the caller's own text is wrong: correct it       exit 2
├── SourceError                the place did not answer, or refused: wait,      exit 4
│                              log in, name another
└── ContentError               bytes are not what was promised: refuse them     exit 5

A message says what happened, to what, and what to do; it carries no secret.
"""

__all__ = [
    "BadSignature",
    "ContentError",
    "Denied",
    "DigestMismatch",
    "Error",
    "ForbiddenAddress",
    "InputError",
    "InvalidPolicy",
    "InvalidReference",
    "InvalidSettings",
    "LimitExceeded",
    "MalformedArchive",
    "MalformedDatabase",
    "MalformedDocument",
    "NotFound",
    "RateLimited",
    "SizeMismatch",
    "SourceError",
    "Unreachable",
    "UnsupportedContent",
]


class Error(Exception):
    """Base of all we raise on purpose. Library code never logs it, prints it or exits."""


class InputError(Error, ValueError):
    """The caller's own text is wrong: correct it and call again."""


class InvalidReference(InputError):
    """A name that is no image reference."""


class InvalidSettings(InputError):
    """A configuration file or an option that breaks its own rules."""


class InvalidPolicy(InputError):
    """A policy file with an unknown key, a duplicate key or a value out of range."""


class SourceError(Error):
    """The place asked did not give an answer: wait, log in, or ask another."""


class Unreachable(SourceError):
    """No connection, no TLS, no answer in time, or a server's own fault (5xx)."""


class ForbiddenAddress(SourceError):
    """A URL leads to an address that must not be asked; refused before any connection."""


class Denied(SourceError):
    """The server wants (other) credentials; it may also be hiding that there is nothing (401, 403)."""


class NotFound(SourceError):
    """The server answered, and has no such thing (404)."""


class RateLimited(SourceError):
    """The server asks for patience (429)."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ContentError(Error):
    """Bytes arrived but are not what they claim to be. Never retried, never skipped in silence."""


class SizeMismatch(ContentError):
    """More or fewer bytes than the parent's descriptor promised."""

    def __init__(self, source: str, expected: int, received: int) -> None:
        super().__init__(f"{source}: {expected} bytes were promised, {received} came")
        self.source, self.expected, self.received = source, expected, received


class DigestMismatch(ContentError):
    """The right number of bytes, but other ones."""

    def __init__(self, source: str, expected: str, received: str) -> None:
        super().__init__(f"{source}: content is {received}, not the promised {expected}")
        self.source, self.expected, self.received = source, expected, received


class MalformedDocument(ContentError):
    """JSON, a manifest, an index or a Release file that breaks its own format."""


class MalformedArchive(ContentError):
    """A tar, gzip, zstd, xz or ar stream that breaks its own format."""


class MalformedDatabase(ContentError):
    """A package database breaks its own format; carries the place, so that tools need not parse the message."""

    def __init__(self, path: str, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path, self.line, self.problem = path, line, problem


class LimitExceeded(ContentError):
    """Hostile or absurd: a named limit on bytes, entries, depth, ratio or time was passed."""


class BadSignature(ContentError):
    """Signed content that no acceptable key vouches for."""


class UnsupportedContent(ContentError):
    """Well formed, but of a kind that this program does not read; the message names the kind."""
