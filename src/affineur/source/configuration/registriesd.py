"""Where GPG signatures of images lie: the engines' registries.d, files of YAML merged into one.

containers-registries.d(5); matching is containers/image's (docker/registries_d.go), which podman, skopeo and buildah
share. One folder is read: the user's if it exists, else the system's. Where the manual and the engines disagree, the
engines' way holds: a section that does not say where signatures lie is passed over for a more general one, and where
nothing says it, signatures are read from a folder of this machine.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from affineur.errors import ForbiddenAddress, InvalidSettings
from affineur.http.urls import origin_of
from affineur.oci.reference import Reference
from affineur.source.configuration.located import Said
from affineur.source.configuration.places import content_of

if TYPE_CHECKING:
    from affineur import strictyaml

__all__ = ["SYSTEM_FOLDER", "USER_FOLDER", "Lookaside", "RegistriesD", "folder_of", "scopes"]

MAX_FILES = 1000
USER_FOLDER = ".config/containers/registries.d"
SYSTEM_FOLDER = "etc/containers/registries.d"
USER_SIGNATURES = ".local/share/containers/sigstore"
SYSTEM_SIGNATURES = "var/lib/containers/sigstore"

_READ = ("lookaside", "sigstore")
_WRITTEN = ("lookaside-staging", "sigstore-staging", *_READ)
"""The newer name goes before the older one: containers-registries.d(5) § Individual Configuration Sections."""
_ATTACHMENTS = "use-sigstore-attachments"


class Lookaside(msgspec.Struct, frozen=True):
    """Where signatures lie.

    Attributes:
        url: http, https or file; the repository and the digest go below it.
        said: what says so; None: nothing does, and the engines look there.
    """

    url: str
    said: Said | None


class _Section(msgspec.Struct, frozen=True):
    """`default-docker`, or what `docker` says of one scope: each key with its line."""

    said: Said
    urls: dict[str, Lookaside]
    attachments: bool | None


class RegistriesD:
    """The files of one user, merged.

    Attributes:
        folder: the one that counts, whether there is one or not.
        files: those that were read.
        ignored: keys that mean nothing here, as dotted names.
    """

    def __init__(self, folder: Path, default: Path | None) -> None:
        """See `read`."""
        self.folder = folder
        self.files: list[Path] = []
        self.ignored: list[tuple[Said, str]] = []
        self._default = default
        self._sections: dict[str, _Section] = {}
        self._general: _Section | None = None

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        root: Path = Path("/"),
        user: int | None = None,
        folder: Path | None = None,
    ) -> "RegistriesD":
        """Read all `*.yaml`; a folder that does not exist says nothing, unless it was named.

        Args:
            environment: HOME.
            root: where the system's own files lie.
            user: the effective user's id; None: this process's.
            folder: read this one alone (skopeo's --registries.d).

        Raises InvalidSettings: a file or the folder is unreadable, or against the rules; one scope is there twice.
        """
        home = environment.get("HOME")
        own = Path(home) / USER_FOLDER if home else None
        default: Path | None = root / SYSTEM_SIGNATURES
        if (os.geteuid() if user is None else user) != 0:
            default = Path(home) / USER_SIGNATURES if home else None
        if folder is not None and not folder.is_dir():
            raise InvalidSettings(f"{folder}: no such folder")
        chosen = folder or root / SYSTEM_FOLDER
        if folder is None and own is not None and os.path.exists(own):  # noqa: PTH110 - as in places
            chosen = own
        made = cls(chosen, default)
        for path in _listed(chosen):
            content = content_of(path)
            if content is not None:  # gone since it was listed
                made._merge(content, path)
        return made

    def reading(self, reference: Reference) -> Lookaside | None:
        """Where the signatures of an image are looked for. None: nowhere, since there is no home folder."""
        found = self._found(reference, _READ)
        if found is None and self._default is not None:
            return Lookaside(self._default.as_uri(), None)
        return found

    def writing(self, reference: Reference) -> Lookaside | None:
        """Where the signatures of an image are put: its staging place, else where they are read from.

        None: nothing says. (The engines write into a folder of this machine then, where nobody else finds them.)
        """
        return self._found(reference, _WRITTEN)

    def attachments(self, reference: Reference) -> bool:
        """Whether the engines read and write cosign's signatures, too."""
        for section in self._matching(reference):
            if section.attachments is not None:
                return section.attachments
        return False

    def advice(self, reference: Reference) -> str:
        """What to write, and where, so that `writing` names a folder for an image; one sentence."""
        line = "lookaside-staging: file:///FOLDER"
        section = next(self._matching(reference), None)
        if section is not None:  # a second section for its scope would be an error
            return f"add `{line}` to the section at {section.said}"
        name = reference.registry.replace(":", "-").strip("[]")
        return f'write `docker: {{"{reference.name}": {{{line}}}}}` into {self.folder / name}.yaml'

    def _matching(self, reference: Reference) -> Iterator[_Section]:
        """The most specific first."""
        for scope in scopes(reference):
            if scope in self._sections:
                yield self._sections[scope]
        if self._general is not None:
            yield self._general

    def _found(self, reference: Reference, keys: tuple[str, ...]) -> Lookaside | None:
        for section in self._matching(reference):
            for key in keys:
                if key in section.urls:
                    return section.urls[key]
        return None

    def _merge(self, content: bytes, path: Path) -> None:
        from affineur import strictyaml  # PyYAML: only where there is a file

        try:
            document = strictyaml.read(content, empty=True)
        except strictyaml.NotStrict as problem:
            raise InvalidSettings(f"{path}:{problem.line}: {problem.problem}") from problem
        self.files.append(path)
        file = _File(path, document)
        for key, value in file.mapping((), document.values).items():
            if key == "docker":
                for scope, section in file.mapping((key,), value).items():
                    self._add(scope, file.section((key, scope), section))
            elif key != "default-docker":
                file.ignored.append((file.said((key,)), key))
            elif value is not None:
                section = file.section((key,), value)
                if self._general is not None:
                    raise InvalidSettings(f"{section.said}: default-docker is also in {self._general.said}")
                self._general = section
        self.ignored += file.ignored

    def _add(self, scope: str, section: _Section) -> None:
        if scope in self._sections:
            raise InvalidSettings(f"{section.said}: {scope} is also in {self._sections[scope].said}")
        self._sections[scope] = section


def scopes(reference: Reference) -> Iterator[str]:
    """What may stand below `docker:` for an image, the most specific first.

    containers-policy.json(5) § docker:, as containers/image has it: the image itself, its repository and all that it
    lies in, then `*.` and the domains of its host, without a port.
    """
    yield f"{reference.name}@{reference.digest}" if reference.digest else f"{reference.name}:{reference.tag}"
    name = reference.name
    while name:
        yield name
        name = name.rpartition("/")[0]
    domain = reference.registry.partition(":")[0]
    while "." in domain:
        domain = domain.partition(".")[2]
        yield f"*.{domain}"


def folder_of(url: str) -> Path | None:
    """The folder that a file: URL names; None for other URLs."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _listed(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".yaml"))
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise InvalidSettings(f"{folder}: cannot be listed: {problem.strerror}") from problem
    if len(paths) > MAX_FILES:
        raise InvalidSettings(f"{folder}: more than {MAX_FILES} files")
    return paths


class _File:
    """One document, and the place of what it says."""

    def __init__(self, path: Path, document: "strictyaml.Document") -> None:
        self._path, self._document = path, document
        self.ignored: list[tuple[Said, str]] = []

    def said(self, at: tuple[str, ...]) -> Said:
        return Said(self._path, self._document.line(at))

    def mapping(self, at: tuple[str, ...], value: Any) -> dict[str, Any]:
        """An empty one for no value."""
        if not isinstance(value, dict | None):
            what = at[-1] if at else "the document"
            raise InvalidSettings(f"{self.said(at)}: {what} must be a mapping (`key: value`)")
        return value or {}

    def section(self, at: tuple[str, ...], value: Any) -> _Section:
        urls: dict[str, Lookaside] = {}
        attachments = None
        for key, text in self.mapping(at, value).items():
            said = self.said((*at, key))
            if key == _ATTACHMENTS:
                if not isinstance(text, bool | None):
                    raise InvalidSettings(f"{said}: {key} must be true or false")
                attachments = text
            elif key not in _WRITTEN:
                self.ignored.append((said, ".".join((*at, key))))
            elif not isinstance(text, str | None):
                raise InvalidSettings(f"{said}: {key} must be a URL")
            elif text:
                urls[key] = Lookaside(_checked(text, f"{said}: {key}"), said)
        return _Section(self.said(at), urls, attachments)


def _checked(url: str, what: str) -> str:
    """A URL that signatures can lie at. The message never shows it: it may hold a login."""
    try:
        parts = urlsplit(url)
    except ValueError as problem:
        raise InvalidSettings(f"{what} is no URL") from problem
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or "\0" in unquote(url):
            raise InvalidSettings(f"{what} must name a folder of this machine, with three slashes: file:///FOLDER")
        return url
    if parts.scheme not in ("http", "https"):
        raise InvalidSettings(f"{what} must be a URL of http:, https: or file:")
    try:
        origin_of(url)
    except ForbiddenAddress as problem:
        raise InvalidSettings(f"{what}: {problem}") from problem
    return url
