"""Packages made by rpmbuild, repositories made by createrepo_c, and roots that rpm and dnf take for installed systems.

    hello = build(folder, "hello", "1.0", "1")
    root = install_root(tmp_path / "root", [hello])
    repository(tmp_path / "repo", [build(folder, "hello", "1.1", "1")], updateinfo=UPDATEINFO)
    dnf(root, "check-update", repos={"test": tmp_path / "repo"}).stdout

Needs rpm, createrepo_c and dnf: mark tests that use it `system`; `needed` leaves them out where a program is missing.
rpm and dnf find the database of a root at `rpm --eval %_dbpath` below it; `database` says where. It lies in a copy at
var/lib/rpm, too, where images have it.
"""

import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from support.leaving_out import leave_out

__all__ = ["build", "database", "dnf", "install_root", "needed", "repository", "repository_file"]

TIMEOUT_S = 120


def needed(*programs: str) -> None:
    """Leave the test out where one of the programs is missing."""
    if os.geteuid() != 0 and not {"dnf", "zypper"}.isdisjoint(programs):
        leave_out("dnf and zypper work on another root for root alone")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        leave_out(f"needs {', '.join(missing)}")


def build(
    folder: Path,
    name: str,
    version: str,
    release: str,
    arch: str = "noarch",
    *,
    epoch: int | None = None,
    source: str = "",
    vendor: str = "",
    module: str = "",
    built: int | None = None,
    requires: Sequence[str] = (),
    provides: Sequence[str] = (),
    obsoletes: Sequence[str] = (),
    conflicts: Sequence[str] = (),
    changelog: str = "",
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Build one binary package and return its path: `folder/NAME-VERSION-RELEASE.ARCH.rpm`.

    Args:
        source: the source package's name, where another.
        module: the Modularitylabel, `name:stream:version:context`.
        built: the build time, in Unix seconds; a fixed day of 2024 where not given.
        changelog: as in a spec file, below %changelog.
        files: absolute path → content.
    """
    needed("rpmbuild")
    made = folder / f"{name}-{version}-{release}.{arch}.rpm"
    top = folder / ".rpmbuild" / f"{made.name}-{epoch or 0}-{source or name}"
    root = top / "root"
    for path, content in (files or {}).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    top.mkdir(parents=True, exist_ok=True)
    tags = {"Summary": name, "License": "MIT", "Version": version, "Release": release, "Vendor": vendor}
    tags |= {"Epoch": "" if epoch is None else str(epoch), "ModularityLabel": module}
    own = [f"Requires: {each}" for each in requires] + [f"Provides: {each}" for each in provides]
    own += [f"Obsoletes: {each}" for each in obsoletes] + [f"Conflicts: {each}" for each in conflicts]
    lines = [f"Name: {source or name}", *(f"{tag}: {value}" for tag, value in tags.items() if value)]
    if source and source != name:
        lines += [f"%description\n{name}", f"%package -n {name}", f"Summary: {name}"]
    lines += own
    lines += [f"%description{f' -n {name}' if source and source != name else ''}\n{name}"]
    lines += ["%prep", "%build", "%install", *([f"cp -a {root}/. %{{buildroot}}/"] if files else [])]
    lines += [f"%files{f' -n {name}' if source and source != name else ''}", *(files or {})]
    lines += ["%changelog", textwrap.dedent(changelog)]
    (top / "package.spec").write_text("\n".join(lines) + "\n")
    settings = {"_topdir": str(top), "_rpmdir": str(top / "out"), "_build_id_links": "none", "debug_package": "%{nil}"}
    settings |= {"__os_install_post": "%{nil}", "_binary_payload": "w1.gzdio", "_buildhost": "builder.example"}
    settings |= {"use_source_date_epoch_as_buildtime": "1", "_dbpath": str(top / "db")}
    command = ["rpmbuild", "-bb", "--quiet", "--target", arch, *_defined(settings), str(top / "package.spec")]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(1_717_200_000 if built is None else built), "LC_ALL": "C"}
    _run(command, environment)
    (found,) = (top / "out").rglob("*.rpm")
    found.replace(made)
    shutil.rmtree(top)
    return made


def repository(
    folder: Path,
    rpms: Iterable[Path],
    updateinfo: str | bytes | None = None,
    modules: str | bytes | None = None,
    **options: str | bool,
) -> Path:
    """Publish packages as a repository, and return its folder; again with other packages to change it.

    Args:
        updateinfo, modules: the documents, XML and YAML.
        options: createrepo_c's, with underscores: `general_compress_type="xz"`, `zck=True`, `revision="1"`.
    """
    needed("createrepo_c", "modifyrepo_c")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for rpm in rpms:
        shutil.copy(rpm, folder)
    defaults: dict[str, str | bool] = {"no_database": True}
    chosen = [
        f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
        for name, value in (defaults | options).items()
        if value is not False
    ]
    _run(["createrepo_c", "--quiet", *chosen, str(folder)])
    for name, text in (("updateinfo.xml", updateinfo), ("modules.yaml", modules)):
        if text is not None:
            document = folder / name
            document.write_bytes(text.encode() if isinstance(text, str) else text)
            kind = name.partition(".")[0]
            _run(["modifyrepo_c", f"--mdtype={kind}", str(document), str(folder / "repodata")])
            document.unlink()
    return folder


def install_root(root: Path, rpms: Iterable[Path], backend: str = "sqlite") -> Path:
    """Have rpm record packages as installed in a root (nothing but the database is written), and return the root.

    Args:
        backend: rpm's name of it; Debian's rpm writes `sqlite` alone.
    """
    needed("rpm")
    root.mkdir(parents=True, exist_ok=True)
    command = ["rpm", "--root", str(root), *_defined({"_db_backend": backend})]
    _run([*command, "--initdb"])
    if packages := [str(rpm) for rpm in rpms]:
        options = ["--nodeps", "--justdb", "--noscripts", "--nosignature", "--ignorearch", "--force"]
        _run([*command, "--install", *options, *packages])
    shutil.copytree(database(root), root / "var/lib/rpm", dirs_exist_ok=True)
    return root


def database(root: Path) -> Path:
    """The folder below a root where this machine's rpm and dnf have its database."""
    return root / _dbpath().lstrip("/")


@cache
def _dbpath() -> str:
    return subprocess.run(["rpm", "--eval", "%_dbpath"], capture_output=True, text=True, check=True).stdout.strip()


def repository_file(repos: Mapping[str, Path | str], **options: str) -> str:
    """A .repo file: id → folder or URL; options hold for all of them."""
    lines = []
    for name, place in repos.items():
        url = f"file://{place}" if isinstance(place, Path) else place
        lines += [f"[{name}]", f"name={name}", f"baseurl={url}", "enabled=1", "gpgcheck=0"]
        lines += [f"{option}={value}" for option, value in options.items()]
    return "\n".join(lines) + "\n"


def dnf(
    root: Path,
    *arguments: str,
    repos: Mapping[str, Path | str] | None = None,
    arch: str = "x86_64",
    releasever: str = "9",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run Debian's dnf on a root, without plugins and without a cache of earlier runs; its exit code is the caller's.

    Args:
        repos: written to the root's etc/yum.repos.d/test.repo; where not given, the root's own files count.
        environment: variables besides those of this process.
    """
    needed("dnf")
    folder = root / "etc/yum.repos.d"
    folder.mkdir(parents=True, exist_ok=True)
    if repos is not None:
        (folder / "test.repo").write_text(repository_file(repos))
    cache_folder = root / "var/cache/dnf"
    shutil.rmtree(cache_folder, ignore_errors=True)
    command = ["dnf", "--installroot", str(root), "--noplugins", "--forcearch", arch, "--releasever", releasever]
    command += [f"--setopt=reposdir={folder}", f"--setopt=cachedir={cache_folder}", "--setopt=logdir=/var/log"]
    variables = os.environ | {"LC_ALL": "C.UTF-8", "COLUMNS": "400"} | dict(environment or {})
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=variables
    )


def _defined(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("--define", f"{name} {value}")]


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment or os.environ
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
