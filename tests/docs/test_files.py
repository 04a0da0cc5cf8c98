"""docs/reference/files.md names every variable that is read, the engines' files, and what is read of images."""

import re
from pathlib import Path

import pytest

from affineur.assessment.readers import READERS
from affineur.image.reader import Reader
from affineur.packages.databases import PACKAGES
from affineur.packages.installed import OTHERS
from affineur.packages.osrelease import OS_RELEASE
from affineur.packages.rpm.history import HISTORY
from affineur.source.configuration.authfiles import auth_files
from affineur.source.configuration.certificates import HOME_FOLDER, SYSTEM_FOLDERS
from affineur.source.configuration.places import OVERRIDE, VARIABLES, alias_file, registries_files
from affineur.source.configuration.registriesd import SYSTEM_FOLDER, SYSTEM_SIGNATURES, USER_FOLDER, USER_SIGNATURES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/files.md").read_text("utf-8")
READ = re.compile(r"(?:environ(?:ment)?(?:\.get\(|\[)|_folder\()\s*[\"']([A-Za-z_]+)[\"']")
PROXIES = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "REQUEST_METHOD"}
SHOWN_BY_CLICK = {"COLUMNS"}
RPM_FOLDERS = {"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"}


def variables() -> set[str]:
    found = set(PROXIES | SHOWN_BY_CLICK | {OVERRIDE, *VARIABLES})
    for path in (ROOT / "src").rglob("*.py"):
        found |= {name.upper() for name in READ.findall(path.read_text("utf-8"))}
    return found


@pytest.mark.parametrize("name", sorted(variables()))
def test_every_variable_is_named(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)


def in_images() -> set[str]:
    """Every path of an image that a reader wants."""
    readers: tuple[Reader, ...] = (PACKAGES, HISTORY, OS_RELEASE, OTHERS, *READERS)
    return {path for reader in readers for path in reader.paths}


@pytest.mark.parametrize("path", sorted(in_images()))
def test_every_path_of_an_image_is_named(path: str) -> None:
    folder, _, name = path.rpartition("/")
    if folder in RPM_FOLDERS:
        assert f"`/{folder}`" in PAGE
        assert f"`{name}`" in PAGE
    elif name == "history.sqlite-wal":
        assert f"`/{path.removesuffix('-wal')}` with its `-wal`" in PAGE
    else:
        assert f"`/{path}`" in PAGE


def test_the_search_finds_what_is_read() -> None:
    known = {"HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "SSL_CERT_FILE", "NO_COLOR", "XDG_CACHE_HOME"}
    assert known <= variables()


def shown(path: Path, home: Path) -> str:
    text = str(path)
    return "~" + text.removeprefix(str(home)) if text.startswith(str(home)) else text


def test_every_file_is_named_in_its_order(tmp_path: Path) -> None:
    """The paths that the code itself makes, in the order in which it makes them."""
    home, root = tmp_path / "home", tmp_path / "root"
    for folder in ("etc/containers", "usr/share/containers"):
        (root / folder / "registries.conf.d").mkdir(parents=True)
        (root / folder / "registries.conf.d" / f"{folder[:3]}.conf").write_text("")
    own = home / ".config/containers/registries.conf.d"
    own.mkdir(parents=True)
    (own / "own.conf").write_text("")
    environment = {"HOME": str(home), OVERRIDE: "/x"}
    files = [each.path for each in registries_files(environment, root)]
    drop_ins = [f"{shown(each.parent, home).removeprefix(str(root))}/*.conf" for each in files[1:-1]]
    logins = [shown(place.path, home) for place in auth_files(None, {"HOME": str(home)})][1:]
    certificates = [f"~/{HOME_FOLDER}/HOST:PORT", *(f"/{folder}/HOST:PORT" for folder in SYSTEM_FOLDERS)]
    folders = [f"~/{USER_FOLDER}", f"/{SYSTEM_FOLDER}", f"/{SYSTEM_SIGNATURES}", f"~/{USER_SIGNATURES}"]
    for names in (drop_ins, logins, certificates, folders):
        places = [PAGE.find(f"`{name}`") for name in names]
        assert -1 not in places, names
        assert places == sorted(places)
    for user in (0, 1000):
        aliases = alias_file({"HOME": str(home)}, Path("/"), user)
        assert aliases is not None
        assert f"`{shown(aliases, home)}`" in PAGE
