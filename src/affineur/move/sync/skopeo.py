"""skopeo's own file for `skopeo sync --src yaml`: skopeo-sync(1) § YAML file content.

    REGISTRY:
      images:
        REPOSITORY: [TAG, DIGEST …]       without any: all tags
      images-by-tag-regex:
        REPOSITORY: EXPRESSION            found anywhere in a tag
      images-by-semver:
        REPOSITORY: RANGE                 see `versions`
      credentials: {username: …, password: …}
      tls-verify: false
      cert-dir: FOLDER

Where it goes is said beside it, and named as skopeo names it: below that, by the last part of the repository's name, or
by all of it, the registry included (`scoped`). Unlike there, a mistake is an error with its line, instead of a message
after which the rest is done; and every platform is moved, with what speaks of the image, as `affineur copy` does.
"""

from typing import Any

import msgspec

from affineur.errors import InputError
from affineur.move.sync.file import Entry, Registry, SyncFile, check_tag, converted, registry_name, unnamed, wrong
from affineur.move.sync.selection import RANGE, REGULAR, Selection, check_pattern
from affineur.oci.reference import Reference, parse_reference
from affineur.source.credentials import Login

__all__ = ["parse_skopeo_file"]


class _Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    images: dict[str, Any] | None = None
    images_by_tag_regex: dict[str, Any] | None = None
    images_by_semver: dict[str, Any] | None = None
    credentials: _Credentials | None = None
    tls_verify: bool | None = None
    cert_dir: str | None = None


def parse_skopeo_file(document: Any, name: str, *, to: str, scoped: bool) -> SyncFile:
    """The entries and registries of a `strictyaml.Document`. Args, raises: as `file.parse_sync_file`."""
    base = _base(to, name)
    entries: list[Entry] = []
    registries: dict[str, Registry] = {}
    for host, values in document.values.items():
        found = registry_name(host, name, document.line((host,)))
        read = converted(values if values is not None else {}, _Registry, (host,), document, name)
        registries[found] = _registry(read)
        for key, selected in _by_key(read):
            for repository, given in selected.items():
                path = (host, key, repository)
                tags, selection = _chosen(key, given, path, document, name)
                line = document.line(path)
                try:
                    source = unnamed(f"{host}/{repository}")
                    target = unnamed(_below(base, source, scoped))
                    for each in selection.include:
                        check_pattern(each)
                    for position, each in enumerate(tags):
                        line = document.line((*path, str(position)))
                        check_tag(each)
                except ValueError as problem:  # InputError is one, too
                    raise wrong(name, line, f"{repository}: {problem}") from problem
                entries.append(Entry(document.line(path), source, target, tags, selection))
    if not entries:
        raise wrong(name, 1, "names no image")
    return SyncFile(name, tuple(entries), registries)


def _base(to: str, name: str) -> str:
    if not to:
        raise wrong(name, 1, "skopeo's form does not say where to: use --to REGISTRY[/PATH]")
    base = to.removeprefix("docker://").rstrip("/")
    try:
        found = parse_reference(f"{base}/any")
    except InputError as problem:
        raise InputError(f"--to {to!r}: {problem}") from problem
    if not f"{base}/".startswith(f"{found.registry}/") and not base.startswith("index.docker.io/"):
        raise InputError(f"--to {to!r}: names no registry: write its host, with a dot or a port in it, first")
    return base


def _registry(read: _Registry) -> Registry:
    given = read.credentials
    has_login = given is not None and (given.username or given.password or given.identitytoken)
    return Registry(
        tls_verify=read.tls_verify is not False,
        cert_dir=read.cert_dir or "",
        login=Login(given.username, given.password, given.identitytoken) if given is not None and has_login else None,
    )


def _by_key(read: _Registry) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("images", read.images or {}),
        ("images-by-tag-regex", read.images_by_tag_regex or {}),
        ("images-by-semver", read.images_by_semver or {}),
    ]


def _chosen(key: str, given: Any, path: tuple[str, ...], document: Any, name: str) -> tuple[tuple[str, ...], Selection]:
    """Tags that are named, and the rule for those that are listed."""
    if key == "images":
        return converted([] if given is None else given, tuple[str, ...], path, document, name), Selection()
    kind = REGULAR if key == "images-by-tag-regex" else RANGE
    return (), Selection(include=(kind + converted(given, str, path, document, name),))


def _below(base: str, source: Reference, scoped: bool) -> str:
    if not scoped:
        return f"{base}/{source.repository.rpartition('/')[2]}"
    if ":" in source.registry:
        raise InputError(f"{source.registry} cannot be part of a name at the target, because of its port: no --scoped")
    return f"{base}/{source.name}"
