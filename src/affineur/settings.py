"""Our own configuration file (TOML): read once, strictly, into values.

`$AFFINEUR_CONFIG`, else `$XDG_CONFIG_HOME/affineur/config.toml`, else `~/.config/affineur/config.toml`; a missing file
is an empty one unless it was named. Unknown and duplicate keys are errors. docs/reference/configuration.md lists them.
"""

import os
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings

__all__ = ["Feeds", "Mirror", "Network", "Reference", "Settings", "UnfixedFeeds", "cache_folder", "load"]

OSV_ARCHIVES = "https://osv-vulnerabilities.storage.googleapis.com"
DEBIAN_TRACKER = "https://security-tracker.debian.org/tracker/data/json"
SETTINGS_LIMIT_BYTES = 1 << 20


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which hosts may be asked at all.

    Attributes:
        allow: networks (`127.0.0.0/8`), addresses and host names; anything else is refused before it is looked up.
            None: no such restriction (the rules about private addresses hold all the same).
    """

    allow: tuple[str, ...] | None = None


class Mirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Ask at `to` for what lies below `from` (URL prefixes). What is read there is verified all the same."""

    from_: str
    to: str


class UnfixedFeeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where vendors say why flaws have no fix: each a URL, a file or a folder; an empty string for none.

    Attributes:
        debian: the JSON of Debian's security tracker.
        ubuntu: Ubuntu's OpenVEX documents, in a folder or a tar archive.
        redhat: Red Hat's CSAF VEX documents, in a folder or a tar archive.
    """

    debian: str = DEBIAN_TRACKER
    ubuntu: str = ""
    redhat: str = ""


class Feeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Where published notices are read.

    Attributes:
        osv: URL or folder that holds `<ecosystem>/all.zip` in OSV's layout; an empty string for none.
        budget_s: seconds that one feed may take.
        changelog_bytes: how many bytes of .deb files may be read for their changelogs.
        unfixed: where vendors say why flaws have no fix; read by `affineur cves` only.
    """

    osv: str = OSV_ARCHIVES
    budget_s: float = 120.0
    changelog_bytes: int = 64 << 20
    unfixed: UnfixedFeeds = UnfixedFeeds()


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One more suite that counts as published by a distribution: an own distribution, or an own key of a mirror.

    Attributes:
        distribution: os-release's ID.
        release: os-release's VERSION_CODENAME or VERSION_ID; empty: any.
        suite: as in sources.list.
        uri: where to read it; empty: wherever the image's own sources offer it.
        components: those that must be read; empty: all that the Release names.
        origin, label, codename: what its signed Release must say; empty: anything.
        keys: fingerprints of the primary keys that may sign it.
        keyring: a file on this host with those keys; empty: they must be in the image.
        security: whether its updates are security updates.
        max_age_days: how old its Date may be where it has no Valid-Until.
    """

    distribution: str
    suite: str
    keys: tuple[str, ...]
    release: str = ""
    uri: str = ""
    components: tuple[str, ...] = ()
    origin: str = ""
    label: str = ""
    codename: str = ""
    keyring: str = ""
    security: bool = False
    max_age_days: int | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        archives: URIs of repositories in which reference suites are looked for where the image's sources do not lead
            to them; what is found there counts by its key and its signed fields.
        policy: a policy file instead of the default.
        cache: a folder for what is remembered.
    """

    network: Network = Network()
    mirror: tuple[Mirror, ...] = ()
    feeds: Feeds = Feeds()
    reference: tuple[Reference, ...] = ()
    archives: tuple[str, ...] = ()
    policy: str = ""
    cache: str = ""


def load(named: Path | None = None) -> Settings:
    """Read the configuration file.

    Args:
        named: the file that the user named; None for the usual places.

    Raises:
        InvalidSettings: a named file is missing, or the file breaks a rule; the message names file and place.
    """
    path, must_exist = named, True
    if path is None and (variable := os.environ.get("AFFINEUR_CONFIG")):
        path = Path(variable)
    if path is None:
        path, must_exist = _folder("XDG_CONFIG_HOME", ".config") / "config.toml", False
    try:
        with path.open("rb") as file:
            content = file.read(SETTINGS_LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        if must_exist:
            raise InvalidSettings(f"{path}: no such configuration file") from error
        return Settings()
    except OSError as error:
        raise InvalidSettings(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > SETTINGS_LIMIT_BYTES:
        raise InvalidSettings(f"{path}: larger than {SETTINGS_LIMIT_BYTES} bytes")
    try:
        return msgspec.toml.decode(content, type=Settings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from error


def cache_folder(settings: Settings) -> Path:
    """Where facts are remembered: the `cache` setting, else `$XDG_CACHE_HOME/affineur`, else `~/.cache/affineur`."""
    return Path(settings.cache).expanduser() if settings.cache else _folder("XDG_CACHE_HOME", ".cache")


def _folder(variable: str, below_home: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / below_home) / "affineur"
