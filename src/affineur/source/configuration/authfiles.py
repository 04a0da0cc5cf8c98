"""Auth files: which are read, in which order, and what one of them says. containers-auth.json(5).

Order and matching are those of containers/image (pkg/docker/config), which podman, skopeo and buildah share;
`credsStore` is docker's (cli, cli/config/configfile).
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings
from affineur.source.credentials import Login

__all__ = [
    "DOCKER_HUB_KEYS",
    "AuthFile",
    "Place",
    "auth_files",
    "content_of",
    "keys_for",
    "parse_auth_file",
    "primary_file",
]

MAX_AUTH_FILE_BYTES = 1024 * 1024
DOCKER_HUB_KEYS = ("docker.io", "https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")
"""Keys that all mean Docker Hub: podman's own, docker's, and what both have taken."""


class Place(msgspec.Struct, frozen=True):
    """A file that may hold logins.

    Attributes:
        why: what made it be looked at, for people: an option, a variable, or its place in the order.
        required: named for this purpose, so that its absence is an error.
        bare: docker's format before 1.7, the entries without `auths` around them, by host alone.
        docker: docker reads it too, which knows neither namespaces nor the key docker.io.
    """

    path: Path
    why: str
    required: bool = False
    bare: bool = False
    docker: bool = False


class _Entry(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class AuthFile(msgspec.Struct):
    """What one file says; entries are decoded when they are asked for."""

    auths: dict[str, _Entry] | None = None
    helpers: dict[str, str] | None = msgspec.field(default=None, name="credHelpers")
    store: str = msgspec.field(default="", name="credsStore")

    def helper_for(self, registry: str) -> tuple[str, str] | None:
        """Name of the helper that keeps this registry's logins, and the key that says so."""
        keys = DOCKER_HUB_KEYS if registry == "docker.io" else (registry,)
        return next(((self.helpers[key], key) for key in keys if self.helpers and self.helpers.get(key)), None)

    def entry_for(self, registry: str, repository: str, *, bare: bool) -> str | None:
        """The key of the most specific entry: of the repository, of each namespace above it, of the registry as spelt.

        Args:
            bare: keys are hosts or URLs, never namespaces.
        """
        auths = self.auths or {}
        exact = (registry,) if bare else tuple(keys_for(registry, repository))
        for key in exact:
            if key in auths:
                return key
        wanted = _host(registry, bare=False)
        return next((key for key in auths if _host(key, bare=bare) == wanted), None)

    def spellings(self, registry: str, repository: str) -> tuple[str, ...]:
        """Every key that means exactly this registry, or this namespace or repository of it."""
        if repository:
            return tuple(key for key in self.auths or {} if key == f"{registry}/{repository}")
        wanted = _host(registry, bare=False)
        return tuple(key for key in self.auths or {} if _host(key, bare=False) == wanted)

    def holds(self, key: str) -> bool:
        """Whether an entry is more than the empty one that is written where a helper keeps the login."""
        return (self.auths or {})[key] != _Entry()

    def login(self, key: str, path: Path) -> Login | None:
        """The login of an entry; None for the empty entry that is written where a helper keeps it.

        Raises InvalidSettings: an entry that cannot be read. Its value is not shown.
        """
        entry = (self.auths or {})[key]
        username, password = entry.username, entry.password
        if entry.auth:
            try:
                username, colon, password = base64.b64decode(entry.auth).decode().partition(":")
            except (binascii.Error, ValueError):
                colon = ""
            if not colon:
                raise InvalidSettings(f"{path}: the auth of {key} is no base64 of NAME:PASSWORD") from None
        password = password.strip("\0")
        if not entry.identitytoken and not (username and password):
            return None
        return Login(username, password, entry.identitytoken)


def keys_for(registry: str, repository: str) -> Iterator[str]:
    """`host/team/app`, `host/team`, `host`: containers-auth.json(5) § FORMAT."""
    key = f"{registry}/{repository}" if repository else registry
    while True:
        yield key
        key, slash, _ = key.rpartition("/")
        if not slash:
            return


def _host(key: str, *, bare: bool) -> str:
    """The host of a key; a key with a namespace stays whole, and so equals no host."""
    stripped = key.removeprefix("http://").removeprefix("https://")
    host = stripped.partition("/")[0] if bare or stripped != key else stripped
    return "docker.io" if host in DOCKER_HUB_KEYS else host


def primary_file(authfile: Path | None, environment: Mapping[str, str]) -> Place:
    """The file that logins are written to, and that is read first.

    Where $DOCKER_CONFIG is set, podman reads that folder's file alone, as docker does (containers/common, pkg/auth,
    GetDefaultAuthFile); skopeo only for `skopeo login`.
    """
    if authfile is not None:
        return Place(authfile, "--authfile", required=True)
    if named := environment.get("REGISTRY_AUTH_FILE"):
        return Place(Path(named), "$REGISTRY_AUTH_FILE", required=True)
    if folder := environment.get("DOCKER_CONFIG"):
        return Place(Path(folder) / "config.json", "$DOCKER_CONFIG", docker=True)
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return Place(Path(runtime) / "containers" / "auth.json", "$XDG_RUNTIME_DIR")
    return Place(Path(f"/run/containers/{os.getuid()}/auth.json"), "without $XDG_RUNTIME_DIR")


def auth_files(authfile: Path | None, environment: Mapping[str, str]) -> list[Place]:
    """Every file that is looked into, in order; a file that was named is the only one."""
    first = primary_file(authfile, environment)
    if first.required or first.docker:
        return [first]
    places = [first]
    home = environment.get("HOME")
    config = environment.get("XDG_CONFIG_HOME")
    if config or home:
        folder = Path(config) if config else Path(home or "") / ".config"
        places.append(Place(folder / "containers" / "auth.json", "$XDG_CONFIG_HOME" if config else "$HOME"))
    if home:
        places.append(Place(Path(home) / ".docker" / "config.json", "$HOME", docker=True))
        places.append(Place(Path(home) / ".dockercfg", "$HOME", bare=True))
    return places


# made once, before there are threads: oci.document says why
_BARE = msgspec.json.Decoder(dict[str, _Entry])
_WHOLE = msgspec.json.Decoder(AuthFile)


def parse_auth_file(place: Place) -> AuthFile | None:
    """Read a file; None where there is none and nobody named it.

    Raises InvalidSettings: a file that was named and is not there, or any that is not what it should be.
    """
    content = content_of(place)
    if content is None:
        return None
    try:
        if place.bare:
            return AuthFile(_BARE.decode(content))
        return _WHOLE.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise InvalidSettings(f"{place.path}: no auth file: {problem}") from None


def content_of(place: Place) -> bytes | None:
    """The bytes of a file, `{}` for an empty one; None where there need not be one. Raises InvalidSettings."""
    try:
        with place.path.open("rb") as handle:
            content = handle.read(MAX_AUTH_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if place.required:
            raise InvalidSettings(f"{place.path} ({place.why}): no such file") from None
        return None
    except OSError as problem:
        raise InvalidSettings(f"{place.path}: {problem.strerror}") from problem
    if len(content) > MAX_AUTH_FILE_BYTES:
        raise InvalidSettings(f"{place.path}: larger than {MAX_AUTH_FILE_BYTES} bytes")
    return content.strip() or b"{}"
